"""Where in the network each feature appears: one small picture for each feature."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.pages import style
from actjax.report.plots import scale
from actjax.report.summary import INPUT, Spread, Summary, spread_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = (0, (4, 3))
_FEWEST_DEPTHS = 3


class _Places(NamedTuple):
    """The x axis: a place for each depth, or for each layer by name where there are few depths."""

    x: np.ndarray
    names: list[str] | None
    spread: Spread


def depth_plot(summary: Summary, score_set: int, path: Path) -> Path:
    """Draws for each feature the best unit by depth, with the median and 90th percentile of all units.

    Layers at one depth are pooled. A network of fewer than three depths is drawn layer by layer.
    """
    features = summary.features_of(score_set)
    places = _places(summary, score_set)
    columns = min(4, len(features))
    lines = -(-len(features) // columns)
    bottom = 0.55 if places.names is None else 0.25 + 0.075 * max(map(len, places.names))
    width, height = max(1.0 + 2.55 * columns, 9.2), 1.2 + bottom + 1.75 * lines
    with style.look():
        fig = style.figure(width, height)
        grid = fig.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        margins = {"left": 0.62 / width, "right": 1 - 0.15 / width}
        margins |= {"top": 1 - 1.3 / height, "bottom": bottom / height}
        fig.subplots_adjust(**margins, wspace=0.1, hspace=0.28)
        for axes, feature in zip(grid.flat, features, strict=False):
            _panel(axes, places, summary, feature)
            axes.set_ylim(*scale(summary, score_set))
        for axes in grid.flat[len(features) :]:
            axes.set_visible(False)
        for axes in grid.flat[max(0, len(features) - columns) : len(features)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("depth (0 input, 1 output)" if places.names is None else "")
        for axes in grid[:, 0]:
            axes.set_ylabel("|score|" if summary.signed[summary.sets[score_set].metric] else "score")
        _legend(fig, summary)
        subtitle = f"{summary.sets[score_set].title}; each unit counts with its best row of the feature"
        style.heading(fig, "Where in the network does each feature appear?", subtitle)
        return style.save(fig, path)


def _places(summary: Summary, score_set: int) -> _Places:
    u, of_set = summary.units, summary.units.set == score_set
    bands = summary.network(INPUT)
    layers = np.unique(u.layer[of_set & (u.network != (-1 if bands is None else bands))])
    depths, code = np.unique(np.round(summary.depths, 4), return_inverse=True)
    names = None
    if len(np.unique(code[layers])) < min(_FEWEST_DEPTHS, len(layers)) or len(layers) == 1:
        code = np.searchsorted(layers, np.arange(len(summary.layers)))
        depths, names = np.arange(len(layers) + 1.0), [summary.layers[i] for i in layers]
    shape = (len(summary.networks), len(depths), len(summary.features))
    group = np.ravel_multi_index((u.network[of_set], code[u.layer[of_set]], u.feature[of_set]), shape)
    return _Places(depths, names, spread_of(group, u.strength[of_set], shape))


def _panel(axes: "Axes", places: _Places, summary: Summary, feature: int) -> None:
    drawn = [n for n in summary.networks if n != INPUT]
    for n, network in enumerate(summary.networks):
        best, median, p90 = (a[n, :, feature] for a in places.spread[:3])
        shown = np.isfinite(best)
        if not shown.any():
            continue
        colour = style.colour(network, summary.networks)
        if network == INPUT:
            axes.axhline(best[shown].max(), color=colour, linestyle=_DASHES, linewidth=1.3)
            continue
        x, line = places.x[shown], "solid"
        if places.names is not None:  # layers side by side are not joined, their networks stand apart
            x, line = x + 0.24 * (drawn.index(network) - (len(drawn) - 1) / 2), "none"
        if line == "solid" and len(x) > 1:
            axes.fill_between(x, median[shown], p90[shown], color=colour, alpha=0.22, linewidth=0)
        else:
            axes.vlines(x, median[shown], p90[shown], color=colour, alpha=0.3, linewidth=6)
        look = {"marker": style.marker(network), "markersize": 4 if len(x) < 15 else 2, "linewidth": 1.8}
        axes.plot(x, best[shown], linestyle=line, color=colour, **look)
    axes.set_title(summary.features[feature], pad=4)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.set_xlim(-0.04, 1.04)
    if places.names is not None:
        axes.set_xlim(-0.6, len(places.names) - 0.4)
        axes.set_xticks(range(len(places.names)), places.names, rotation=90)


def _legend(fig: "Figure", summary: Summary) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = []
    for network in summary.networks:
        colour = style.colour(network, summary.networks)
        if network == INPUT:
            handles.append(Line2D([], [], color=colour, linestyle=_DASHES, label="input: best band"))
            continue
        look = {"marker": style.marker(network), "markersize": 4, "linewidth": 1.8}
        handles.append(Line2D([], [], color=colour, label=f"{network}: best unit", **look))
        handles.append(Patch(color=colour, alpha=0.22, linewidth=0, label="median to 90th percentile"))
    width, height = fig.get_figwidth(), fig.get_figheight()
    anchor = (0.04 / width, 1 - 0.62 / height)
    look = {"handlelength": 1.8, "columnspacing": 1.3, "fontsize": 8.5, "ncols": len(handles)}
    fig.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, **look)
