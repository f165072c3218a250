"""The layer x feature heat map of the best scores.

All networks of a picture share one scale. What is not defined is hatched, never drawn as 0.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax import lookup
from actjax.pages import style
from actjax.pages.numbers import number, signed
from actjax.report.summary import INPUT, UNTRAINED, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_CELL = (0.43, 0.31)  # inches
_WIDEST, _NARROWEST, _GAP, _BAR, _MOST_NUMBERS = 16.0, 0.95, 0.32, 0.62, 900


def heat_map(summary: Summary, score_set: int, path: Path) -> Path:
    """Draws the best score of each layer (columns) for each feature (rows), one panel per network.

    The last panel is the trained network minus the strongest control: the same layer untrained or
    the input, whichever comes closer.
    """
    features = summary.features_of(score_set)
    panels = _panels(summary, score_set, features)
    names, limits = [summary.features[f] for f in features], scale(summary, score_set)
    size = _sizes(panels, names, [summary.layers[i] for p in panels for i in p.layers])
    with style.look():
        fig = style.figure(size.width, size.height)
        x = size.left
        for i, panel in enumerate(panels):
            tall = _CELL[1] * len(features) / size.height
            box = (x / size.width, size.bottom / size.height, size.panels[i] / size.width, tall)
            axes = fig.add_axes(box)
            image = _cells(axes, panel, (-panel.reach, panel.reach) if panel.reach else limits, size.numbers)
            _label(axes, summary, panel, names if i == 0 else None)
            if panel.reach or i + 1 == len(panels) or panels[i + 1].reach:
                x += _colour_bar(fig, image, box, size.width)
            x += size.panels[i] + _GAP
        kind = "|score|" if summary.signed[summary.sets[score_set].metric] else "score"
        subtitle = (
            f"{summary.sets[score_set].title}: best {kind} over the layer's units and the feature's rows"
        )
        style.heading(fig, "How close does each layer come to each feature?", subtitle)
        return style.save(fig, path)


class _Panel(NamedTuple):
    """One panel: its layers in columns, values [features, layers]; differences have a reach, from 0."""

    title: str
    layers: list[int]
    values: np.ndarray
    reach: float = 0.0


class _Sizes(NamedTuple):
    """Inches of a picture and of its panels; whether cells are wide enough for numbers."""

    width: float
    height: float
    left: float
    bottom: float
    panels: list[float]
    numbers: bool


def _sizes(panels: list[_Panel], features: list[str], layers: list[str]) -> _Sizes:
    cell = min(_CELL[0], _WIDEST / len(layers))
    widths = [max(cell * len(p.layers), _NARROWEST * (p.title != INPUT)) for p in panels]
    left, bottom = 0.4 + 0.08 * max(map(len, features)), 0.25 + 0.075 * max(map(len, layers))
    bars = _BAR * (1 + any(p.reach for p in panels))
    width = max(left + sum(widths) + _GAP * (len(panels) - 1) + bars, 8.2)
    numbers = cell > 0.8 * _CELL[0] and len(layers) * len(features) <= _MOST_NUMBERS
    return _Sizes(width, 1.15 + bottom + _CELL[1] * len(features), left, bottom, widths, numbers)


def _panels(summary: Summary, score_set: int, features: list[int]) -> list[_Panel]:
    best = summary.spread.best[score_set]
    panels = []
    for n, network in enumerate(summary.networks):
        layers = summary.layers_of(n, score_set)
        if layers:
            values = best[n][np.ix_(layers, features)].T
            title = network if network == INPUT else f"{network} network"
            panels.append(_Panel(title, layers, values))
    untrained, bands = (summary.network(name) for name in (UNTRAINED, INPUT))
    if not summary.scored(score_set, summary.main) or summary.main in (UNTRAINED, INPUT):
        return panels
    main = summary.networks.index(summary.main)
    layers = summary.layers_of(main, score_set)
    controls = np.full((2, len(layers), len(features)), -np.inf)
    if untrained is not None:
        controls[0] = np.nan_to_num(best[untrained][np.ix_(layers, features)], nan=-np.inf)
    if bands is not None:
        controls[1] = np.nan_to_num(best[bands][:, features], nan=-np.inf).max(axis=0)[None, :]
    strongest = controls.max(axis=0)
    if np.isneginf(strongest).all():
        return panels
    gain = np.where(
        np.isfinite(strongest),
        best[main][np.ix_(layers, features)] - strongest,
        np.nan,
    ).T
    reach = max(float(np.nanmax(np.abs(gain))) if np.isfinite(gain).any() else 0.0, 0.1)
    title = f"{summary.main} − best control"
    panels.append(_Panel(title, layers, gain, reach))
    return panels


def scale(summary: Summary, score_set: int) -> tuple[float, float]:
    """One scale for all networks: the metric's range (without an empty negative half), else the data's."""
    metric, strength = summary.sets[score_set].metric, summary.units.strength[summary.units.set == score_set]
    low, high = 0.0, 1.0
    if metric in lookup.names("metric"):
        low, high, _ = lookup.load("metric", metric).range
        low = 0.0 if summary.signed[metric] else low
    if not np.isfinite([low, high]).all():
        low, high = (float(f(strength)) for f in (np.nanmin, np.nanmax))
    elif low < 0.0 and not np.any(strength < 0.0):
        low = 0.0  # the negative half would be empty
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _cells(axes: "Axes", panel: _Panel, limits: tuple[float, float], numbers: bool) -> Any:
    values = panel.values
    axes.set_facecolor("#f1f3f5")
    cmap = "PuOr_r" if panel.reach else "YlGnBu"
    edges = (np.arange(size + 1) - 0.5 for size in values.shape[::-1])
    look = {"cmap": cmap, "vmin": limits[0], "vmax": limits[1], "edgecolors": "white", "linewidth": 1.4}
    mesh = axes.pcolormesh(*edges, np.ma.masked_invalid(values), **look)
    axes.invert_yaxis()
    for y, x in np.argwhere(np.isnan(values)):
        axes.add_patch(_hatched(x, y))
    for (y, x), value in np.ndenumerate(values) if numbers else ():
        if np.isfinite(value):
            text, size = (signed(value), 6.8) if panel.reach else (number(value), 7.4)
            look = {"ha": "center", "va": "center", "size": size}
            axes.text(x, y, text, color=style.text_on(mesh.to_rgba(value)), **look)
    return mesh


def _hatched(x: int, y: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#c3cad1", linewidth=0)


def _label(axes: "Axes", summary: Summary, panel: _Panel, features: list[str] | None) -> None:
    title = panel.title if len(panel.layers) > 3 else panel.title.replace(" network", "")
    axes.set_title(
        title.replace(" best control", "\nbest control") if len(panel.layers) < 4 else title, pad=7
    )
    names = [summary.layers[i] for i in panel.layers]
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 4 else 0)
    axes.set_yticks(range(len(features)) if features else [], features)
    axes.tick_params(length=0, pad=4)
    if features:
        axes.tick_params(axis="y", labelsize=9.5, labelcolor=style.INK)
    axes.spines[:].set_visible(False)


def _colour_bar(fig: "Figure", image: "ScalarMappable", box: tuple[float, ...], width: float) -> float:
    """Draws it right of the panel; returns the inches it takes."""
    axes = fig.add_axes((box[0] + box[2] + 0.12 / width, box[1], 0.11 / width, box[3]))
    bar = fig.colorbar(image, cax=axes)
    bar.outline.set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    return _BAR
