"""The picture of the table: milliseconds of every row beside its limit and its fastest peer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax.benchmark.accelerator import limits

_OURS, _PEER, _LIMIT = "#0072B2", "#D55E00", "#6b7280"
_ROW_INCHES = 0.24
# Sections of one work at many sizes, which have pictures of their own or none.
_CURVES = ("scaling", "sweep")


def draw(
    latest: Mapping[tuple[str, str], Mapping[str, Any]], machine: Mapping[str, Any], path: Path
) -> Path | None:
    """Draws the rows that have a limit or a peer, on a logarithmic scale; None where there are none."""
    from actjax.pages import style

    measured = limits.rates(latest)
    rows = [
        (f"{section}: {row}", line, limits.of_row(line, measured))
        for (section, row), line in latest.items()
        if "ms" in line and "rate" not in line and section not in _CURVES
    ]
    rows = [row for row in rows if row[2] is not None or fastest_peer(row[1]) is not None]
    if not rows:
        return None
    with style.look():
        height = 1.6 + _ROW_INCHES * len(rows)
        figure = style.figure(8.0, height)
        axes = figure.add_axes((0.36, 0.55 / height, 0.61, 1 - 1.55 / height))
        _draw_rows(axes, rows)
        axes.set(xscale="log", xlabel="milliseconds", ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        # Plain numbers: the style leaves dollar signs in names, and so powers of ten, as they are.
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(True, axis="x")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=8.5)
        style.heading(figure, "Time beside the device's limit and the fastest peer", machine["device"])
        return style.save(figure, path)


def fastest_peer(line: Mapping[str, Any]) -> float | None:
    """Milliseconds of the fastest peer that was measured."""
    return min((ms for ms in line.get("peers", {}).values() if isinstance(ms, float)), default=None)


def _draw_rows(axes: Any, rows: Sequence[tuple[str, Mapping[str, Any], limits.Limit | None]]) -> None:
    ours = [line["ms"] for _, line, _ in rows]
    peers = [fastest_peer(line) for _, line, _ in rows]
    places = range(len(rows))
    for place, (_, line, limit) in enumerate(rows):
        if limit is not None:
            axes.plot([limit.ms, line["ms"]], [place, place], color=_LIMIT, linewidth=0.8, alpha=0.6)
    least = [None if limit is None else limit.ms for _, _, limit in rows]
    axes.plot(*_there(least, places), "|", color=_LIMIT, markersize=9, markeredgewidth=2, label="limit")
    axes.plot(*_there(peers, places), "D", color=_PEER, markersize=5, fillstyle="none", label="fastest peer")
    axes.plot(ours, places, "o", color=_OURS, markersize=5.5, label="actjax")


def _there(values: Sequence[float | None], places: Sequence[int]) -> tuple[list[float], list[int]]:
    """The values that there are, with their places."""
    both = [(value, place) for value, place in zip(values, places, strict=True) if value is not None]
    return [value for value, _ in both], [place for _, place in both]
