"""What the outputs' names promise, and what their scores say: a table, and a picture with every failure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actjax import files
from actjax.pages import style
from actjax.pages.markup import Markup, document, image, section, tag, trusted
from actjax.pages.numbers import MINUS, number, p_value, signed
from actjax.pages.table import Table
from actjax.report.neurons import BAND
from actjax.report.page_text import STYLE
from actjax.workdir import hypotheses_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = Mapping[str, str]
TITLE = "What the names of outputs promise"
NOTE = (
    "Each line was written down before the network was scored. Confirmed: the Pearson correlation has the "
    "expected sign and a max-T p below 0.05 over all units of the layer and all rows. Rank: the place of the "
    "expected row among all rows by |score|; the twin is the untrained network's unit of the same number. "
    "Why not: the score in standard deviations of its unit's own null, whose 95 % a score may exceed that is "
    "not confirmed among all units and rows; what is closer; a twin that has as much."
)
_COLOURS = {"confirmed": "#0072B2"}
_FAILED = "#D55E00"
_ROW = 0.2


def table(lines: Sequence[Line]) -> Table:
    """A row a hypothesis, those that failed first."""
    ordered = sorted(lines, key=lambda line: line["verdict"] == "confirmed")
    columns = (
        ("network", "<"), ("unit", "<"), ("must follow", "<"), ("score", ">"), ("null", ">"), ("p", ">"),
        ("rank", ">"), ("AUC", ">"), ("twin", ">"), ("closest to", "<"), ("verdict", "<"), ("why not", "<"),
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            line["network"],
            _unit(line),
            _promise(line),
            _signed(line["score"]),
            f"± {float(line['null_std']):.2f}" if line["null_std"] else "",
            p_value(float(line["p"])) if line["p"] else "",
            f"{line['rank']} of {line['rows']}" if line["rank"] else "",
            f"{float(line['auc']):.2f}" if line["auc"] else "",
            _signed(line["twin"]),
            _best(line),
            line["verdict"],
            reason(line),
        )
        for line in ordered
    ]
    return Table(TITLE, columns, rows, f"{_counts(lines)} {NOTE} Hypotheses of commit {_commits(lines)}.")


def reason(line: Line) -> str:
    """Why a hypothesis is not confirmed, by its numbers; empty where it is.

    The score is held against its unit's own null and against all units and rows (p); named are what is closer
    to the unit than the expected row, and an untrained twin that has as much.
    """
    said = _why_not(line)
    if not said or not line["twin"] or not line["score"]:
        return said
    toward = _toward(line)
    as_much = toward * float(line["twin"]) >= toward * float(line["score"]) > 0
    return f"{said}; the untrained twin has {_signed(line['twin'])}" if as_much else said


def _why_not(line: Line) -> str:
    if line["verdict"] == "confirmed":
        return ""
    if not line["score"] or not line["p"]:
        return "the unit is constant, or was not scored"
    score, spread = _toward(line) * float(line["score"]), float(line["null_std"] or "nan")
    deviations = f"({number(abs(score) / spread, 1)} deviations)" if spread > 0 else "(no null)"
    if score <= 0:
        said = f"the other way {deviations}"
    elif score > BAND * spread:
        said = f"beyond its own null alone {deviations}"
    else:
        said = f"within its own null {deviations}"
    if line["against"]:
        return f"{said}; closest rows on average: {_best(line)}"
    return f"{said}; " + ("no row is closer" if line["rank"] == "1" else f"closer to {_best(line)}")


def part_of_page(lines: Sequence[Line], picture: Path | None) -> Markup:
    """The section of a report's page; empty where there are no hypotheses."""
    if not lines:
        return trusted("")
    rows = table(lines)
    drawn = image(picture, seen(lines)) if picture else trusted("")
    return section(TITLE, tag("p", rows.note), drawn, rows.html())


def build(workdir: Path) -> list[Path]:
    """Writes the page and the table of a workdir without scores of its own, a sweep's."""
    lines, folder = hypotheses_table.read(workdir), workdir / "report"
    folder.mkdir(parents=True, exist_ok=True)
    picture, rows = draw(lines, folder / "hypotheses.png"), table(lines)
    page = document("actjax report", STYLE, tag("h1", TITLE), part_of_page(lines, picture))
    print(_counts(lines))
    return [
        files.write_text(folder / "hypotheses.html", page),
        files.write_text(folder / "hypotheses.md", rows.markdown()),
        picture,
    ]


def seen(lines: Sequence[Line]) -> str:
    """What the picture shows, in words."""
    failed = [f"{_unit(line)} ({line['verdict']})" for line in lines if line["verdict"] != "confirmed"]
    not_confirmed = f" Not confirmed: {', '.join(failed)}." if failed else ""
    return f"Score of every hypothesis with its null. {_counts(lines)}{not_confirmed}"


def draw(lines: Sequence[Line], path: Path) -> Path:
    """Draws the score of each hypothesis in its expected direction, its null, the twin, and why it failed."""
    drawn = [line for line in lines if line["score"]]
    top, bottom, left, right, width = 0.75, 0.5, 3.9, 5.6, 14.5
    height = top + bottom + _ROW * max(len(drawn), 1)
    with style.look():
        fig = style.figure(width, height)
        axes = style.axes_within(fig, left=left, right=right, bottom=bottom, top=top)
        for y, line in enumerate(drawn):
            _row(axes, line, y)
        axes.set_ylim(max(len(drawn), 1) - 0.4, -0.6)
        axes.set_yticks([])
        axes.axvline(0.0, color="#9aa4ae", linewidth=0.9, zorder=1)
        axes.grid(axis="x", zorder=0)
        axes.set_xlabel("score in the expected direction; grey: 95 % of the null; square: the untrained twin")
        style.heading(fig, TITLE, _counts(lines))
        return style.save(fig, path)


def _row(axes: "Axes", line: Line, y: int) -> None:
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False, "size": 8}
    toward = _toward(line)
    colour = _COLOURS.get(line["verdict"], _FAILED)
    axes.text(-0.02, y, f"{line['network']}: {_unit(line)} {_promise(line)}", ha="right", color=colour, **at)
    if line["null_std"]:
        half = BAND * float(line["null_std"])
        axes.plot([-half, half], [y, y], color="#c9d0d6", linewidth=5, solid_capstyle="butt", zorder=1)
    if line["twin"]:
        twin = toward * float(line["twin"])
        axes.plot([twin], [y], "s", color="none", markeredgecolor="#6b7280", markersize=4, zorder=2)
    marker = "o" if line["verdict"] == "confirmed" else "X"
    axes.plot([toward * float(line["score"])], [y], marker, color=colour, markersize=5, zorder=3)
    if line["verdict"] != "confirmed":
        axes.text(1.02, y, _why_not(line), color=colour, **at)


def _toward(line: Line) -> int:
    return -1 if line["sign"] == "-" else 1


def _best(line: Line) -> str:
    return line["best"].replace(" -", f" {MINUS}")


def _unit(line: Line) -> str:
    return (
        f"{line['layer']}, not {line['against']}," if line["against"] else f"{line['layer']} {line['unit']}"
    )


def _promise(line: Line) -> str:
    return f"{line['sign']} {line['feature']} {line['row']}".strip()


def _signed(text: str) -> str:
    return signed(float(text)) if text else ""


def _commits(lines: Sequence[Line]) -> str:
    return ", ".join(dict.fromkeys(line["commit"] for line in lines))


def _counts(lines: Sequence[Line]) -> str:
    """How many are confirmed, of all and of each network."""

    def share(some: Sequence[Line]) -> str:
        confirmed = sum(line["verdict"] == "confirmed" for line in some)
        return f"{confirmed} of {len(some)} ({confirmed / max(len(some), 1):.2f})"

    networks = dict.fromkeys(line["network"] for line in lines)
    by_network = (f"{name} {share([x for x in lines if x['network'] == name])}" for name in networks)
    return f"Confirmed: {share(lines)}" + (f"; {', '.join(by_network)}." if len(networks) > 1 else ".")
