"""When during training each feature appears in which layer: a picture and a table of the kept checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.pages import style
from actjax.pages.markup import Markup, image, join, section, tag
from actjax.pages.table import Table
from actjax.report.plots import scale
from actjax.report.summary import UNTRAINED, Summary, summarise
from actjax.scores.schema import checkpoint_step

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.axes import Axes

    from actjax.report.workdir_files import Material

TITLE = "What appeared when during training"
# The level at which a unit's max-T p counts, over all units of its layer and all rows of its view.
LEVEL = 0.05
_BAND, _LIGHT, _COLOURS = "#dde1e5", "#eff1f3", "viridis"
_BESIDE = 0.06


class Emergence(NamedTuple):
    """One view's scores after each kept step of training; step 0 is the untrained network.

    Attributes:
      title: of the score set.
      steps: [t], ascending.
      layers, features: their names.
      best: [t, layers, features] strength of the layer's strongest unit, NaN where it has none.
      low, high: [t, layers, features] its 95 % interval over recordings, NaN where the metric has none.
      null: [t, layers, features] how strong that unit's pair is at most in 95 % of the null, NaN without one.
      taken: [t, layers, features] share of the layer's units whose best row has a max-T p below LEVEL; NaN
        without a null.
      limits: of the strengths' axis.
      slug: for file names.
    """

    title: str
    steps: tuple[int, ...]
    layers: tuple[str, ...]
    features: tuple[str, ...]
    best: np.ndarray
    low: np.ndarray
    high: np.ndarray
    null: np.ndarray
    taken: np.ndarray
    limits: tuple[float, float]
    slug: str

    def since(self) -> np.ndarray:
        """[layers, features] from which step on the share taken stays halfway or more from first to last.

        -1 where the last share is not above the first, or there is no null.
        """
        gained = self.taken[-1] > self.taken[0]
        halfway = self.taken >= (self.taken[0] + self.taken[-1]) / 2
        to_the_end = np.logical_and.accumulate(halfway[::-1])[::-1]
        return np.where(gained, np.asarray(self.steps)[to_the_end.argmax(axis=0)], -1)


def emergences(table: "pyarrow.Table") -> list[Emergence]:
    """One for each view's leading scores; none where no checkpoint was scored.

    Args:
      table: from `load_scores(workdir, checkpoints=True)`.
    """
    summary = summarise(table)
    step_of = {n: checkpoint_step(name) for n, name in enumerate(summary.networks)}
    chosen = sorted((step, n) for n, step in step_of.items() if step >= 0)
    untrained = summary.network(UNTRAINED)
    if not chosen:
        return []
    if untrained is not None:
        chosen.insert(0, (0, untrained))
    return [
        _of_set(summary, s, chosen) for s in summary.leading() if summary.spread.units[s, chosen[-1][1]].any()
    ]


def _of_set(summary: Summary, score_set: int, chosen: Sequence[tuple[int, int]]) -> Emergence:
    networks = [n for _, n in chosen]
    layers, features = summary.layers_of(networks[-1], score_set), summary.features_of(score_set)
    at = np.ix_(networks, layers, features)
    best, unit = summary.spread.best[score_set][at], summary.spread.unit[score_set][at]
    u = summary.units
    null = np.where(unit < 0, np.nan, np.abs(u.null_mean[unit]) + 1.96 * u.null_std[unit])
    # Of a unit that falls where the feature rises, strength is minus the score.
    falls = (u.score < 0) & (u.strength > 0)
    low, high = np.where(falls, -u.ci_high, u.ci_low)[unit], np.where(falls, -u.ci_low, u.ci_high)[unit]
    shape = summary.spread.units.shape
    group = np.ravel_multi_index((u.set, u.network, u.layer, u.feature), shape)
    significant = np.bincount(group[u.p_maxt < LEVEL], minlength=np.prod(shape)).reshape(shape)[score_set][at]
    of_layer = np.maximum(summary.spread.units[score_set][at], 1)
    taken = np.where(np.isnan(null), np.nan, significant / of_layer)
    return Emergence(
        summary.sets[score_set].title,
        tuple(step for step, _ in chosen),
        tuple(summary.layers[i] for i in layers),
        tuple(summary.features[i] for i in features),
        best,
        np.where(unit < 0, np.nan, low),
        np.where(unit < 0, np.nan, high),
        null,
        taken,
        scale(summary, score_set),
        summary.sets[score_set].slug,
    )


def table_of(one: Emergence) -> Table:
    """A row a layer, a column a feature: by how many units it is followed first and last, and since when."""
    since = one.since()

    def cell(layer: int, feature: int) -> str:
        first, last = one.taken[0, layer, feature], one.taken[-1, layer, feature]
        if np.isnan(first) or np.isnan(last):
            return "no null"
        step = f", {since[layer, feature]:,}" if since[layer, feature] >= 0 else ""
        return f"{first:.0%} → {last:.0%}{step}"

    rows = [(name, *(cell(i, f) for f in range(len(one.features)))) for i, name in enumerate(one.layers)]
    note = (
        f"The share of a layer's units that follow the feature (max-T p below {LEVEL:g} over all units of "
        f"the layer and all rows) after step {one.steps[0]:,} and after step {one.steps[-1]:,}; where it "
        "grew, the kept step from which on it stays at least halfway. Step 0 is the untrained network."
    )
    return Table(f"{TITLE}: {one.title}", (("layer", "<"), *((f, ">") for f in one.features)), rows, note)


def draw(one: Emergence, material: "Material", path: Path) -> Path:
    """Draws for each feature the best unit of every layer by step, the null's band, and the accuracy last."""
    panels = len(one.features) + 1
    columns = min(4, panels)
    lines = -(-panels // columns)
    width, height = max(1.0 + 2.55 * columns, 9.2), 1.9 + 1.9 * lines
    with style.look():
        from matplotlib import colormaps
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        fig = style.figure(width, height)
        grid = fig.subplots(lines, columns, squeeze=False)
        margins = {"left": 0.62 / width, "right": 1 - 0.15 / width, "top": 1 - 1.3 / height}
        fig.subplots_adjust(**margins, bottom=0.6 / height, wspace=0.24, hspace=0.45)
        colours = colormaps[_COLOURS](np.linspace(0.0, 0.85, len(one.layers)))
        for f, axes in enumerate(grid.flat[: panels - 1]):
            _panel(axes, one, f, colours)
        _accuracy(grid.flat[panels - 1], one, material)
        for axes in grid.flat[panels:]:
            axes.set_visible(False)
        for axes in grid.flat[max(0, panels - columns) : panels]:
            axes.set_xlabel("training step")
        over_recordings = Line2D([], [], color=style.MUTED, linewidth=0.9, label="95 % over recordings")
        handles = [
            *grid.flat[0].get_legend_handles_labels()[0],
            *([over_recordings] if np.isfinite(one.low).any() else []),
            Patch(color=_BAND, label="95 % of the null of these pairs"),
            Patch(color=_LIGHT, label="of some layers' alone"),
        ]
        look = {"ncols": len(handles), "fontsize": 8.5, "handlelength": 1.6, "columnspacing": 1.2}
        fig.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.04 / width, 1 - 0.62 / height), **look
        )
        subtitle = (
            f"{one.title}: best unit of each layer; filled where its layer holds a max-T p below {LEVEL:g}"
        )
        style.heading(fig, "When does each feature appear in which layer?", subtitle)
        return style.save(fig, path)


def _panel(axes: "Axes", one: Emergence, feature: int, colours: np.ndarray) -> None:
    x = np.arange(len(one.steps))
    null = np.ma.masked_invalid(one.null[:, :, feature])
    if null.count():
        low, high = null.min(axis=1).filled(0), null.max(axis=1).filled(0)
        axes.fill_between(x, 0, low, color=_BAND, linewidth=0, zorder=0)
        axes.fill_between(x, low, high, color=_LIGHT, linewidth=0, zorder=0)
    for layer, (name, colour) in enumerate(zip(one.layers, colours, strict=True)):
        best, taken = one.best[:, layer, feature], one.taken[:, layer, feature] > 0
        axes.plot(x, best, color=colour, linewidth=1.6, label=name)
        # Side by side, as layers may overlap.
        beside = x + _BESIDE * (layer - (len(one.layers) - 1) / 2)
        ends = np.clip((one.low[:, layer, feature], one.high[:, layer, feature]), *one.limits)
        axes.vlines(beside, *ends, color=colour, linewidth=0.9, alpha=0.8)
        axes.plot(x[taken], best[taken], "o", color=colour, markersize=4)
        hollow = {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 4}
        axes.plot(x[~taken], best[~taken], "o", color="none", **hollow)
    axes.set_title(one.features[feature], pad=4)
    axes.set_ylim(*one.limits)
    _steps(axes, one)


def _accuracy(axes: "Axes", one: Emergence, material: "Material") -> None:
    """The validation accuracy at the same steps, and the test accuracy in the end."""
    measured = {line["step"]: line["accuracy"] for line in material.curve if line["split"] == "eval"}
    y = np.array([measured.get(step, np.nan) for step in one.steps])
    axes.plot(np.arange(len(one.steps)), y, color=style.COLOURS["trained"], marker="o", markersize=4)
    if material.evaluation is not None:
        value, name, _ = material.evaluation.quality()
        axes.axhline(value, color=style.MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
        axes.text(
            0, value, f"test {name.split(' (')[0]} {value:.3f}", va="bottom", size=8.5, color=style.MUTED
        )
    axes.set_title("validation accuracy", pad=4)
    axes.set_ylim(0, 1.02)
    _steps(axes, one)


def _steps(axes: "Axes", one: Emergence) -> None:
    """Kept steps stand side by side: they may be spaced evenly or by doubling."""
    shown = range(0, len(one.steps), -(-len(one.steps) // 7))
    axes.set_xticks(shown, [f"{one.steps[i]:,}" for i in shown])
    axes.set_xlim(-0.3, len(one.steps) - 0.7)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def seen(one: Emergence) -> str:
    """What the picture shows, in words."""
    since, grown = one.since(), []
    for f, feature in enumerate(one.features):
        reached = [(int(step), i) for i, step in enumerate(since[:, f]) if step >= 0]
        if reached:
            grown.append(f"{feature} since step {min(reached)[0]:,} in {one.layers[min(reached)[1]]}")
    said = f"Followed by more units than at first: {', '.join(grown) or 'no feature'}."
    return f"Best unit of each layer by training step, {one.title}. {said}"


def write(table: "pyarrow.Table", material: "Material", folder: Path) -> list[tuple[Emergence, Path]]:
    """Draws a picture for each of `emergences` into a report's folder."""
    every = emergences(table)
    return [(one, draw(one, material, folder / f"emergence_{one.slug}.png")) for one in every]


def part_of_page(drawn: Sequence[tuple[Emergence, Path]]) -> Markup:
    """The section of a report's page; empty where no checkpoint was scored."""
    if not drawn:
        return join()
    body = []
    for one, path in drawn:
        rows = table_of(one)
        body += [
            tag("h3", one.title),
            image(path, seen(one)),
            tag("p", rows.note, class_="note"),
            rows.html(),
        ]
    return section(TITLE, *body)
