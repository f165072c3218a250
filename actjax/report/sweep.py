"""Draws what a sweep came to: parallel coordinates of its trials, and how much each option matters."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.pages import style
from actjax.workdir.sweep_table import Row

PARALLEL, IMPORTANCE = "sweep_parallel.png", "sweep_importance.png"
# Values of an option are put into so many groups of equal size before they are compared.
GROUPS = 4
LEAST_TRIALS = 3


def draw(workdir: Path, rows: Sequence[Row], metric: str) -> list[Path]:
    """Both pictures; none of fewer than LEAST_TRIALS trials with a value, or where no option varies."""
    table = [(row.options, row.entries().get(metric)) for row in rows]
    known = [
        (options, float(value)) for options, value in table if value is not None and math.isfinite(value)
    ]
    if len(known) < LEAST_TRIALS:
        return []
    options, values = [options for options, _ in known], np.asarray([value for _, value in known])
    names = [name for name in options[0] if len({str(one.get(name)) for one in options}) > 1]
    if not names:
        return []
    folder = workdir / "report"
    return [
        _parallel(folder / PARALLEL, options, values, names, metric),
        _importance(folder / IMPORTANCE, importance(options, values, names), metric),
    ]


def importance(
    options: Sequence[Mapping[str, Any]], values: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Option -> the share of the values' variance that lies between its groups, 0 to 1.

    Epsilon squared, which chance does not raise: (between - (g - 1) within / (n - g)) / total over n trials
    in g groups, at least 0. Numbers are put into GROUPS groups of equal size, other values into one each.
    """
    total, shares = float(((values - values.mean()) ** 2).sum()), {}
    for name in names:
        group = _groups([one.get(name) for one in options])
        groups = [values[group == g] for g in np.unique(group)]
        within = sum(float(((of - of.mean()) ** 2).sum()) for of in groups)
        n, g = len(values), len(groups)
        chance = (g - 1) * within / (n - g) if n > g else total
        shares[name] = max(0.0, (total - within - chance) / total) if total > 0 else 0.0
    return shares


def _groups(values: Sequence[Any]) -> np.ndarray:
    """[n] the group of each trial."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        _, ranks = np.unique(np.asarray(values, np.float64), return_inverse=True)
        distinct = int(ranks.max()) + 1
        return ranks if distinct <= GROUPS else ranks * GROUPS // distinct
    return np.unique([str(value) for value in values], return_inverse=True)[1]


def _places(values: Sequence[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """[n] where each value stands on its axis, 0 to 1, and labels of the axis with their places."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.asarray(values, np.float64)
        scaled = np.log(numbers) if numbers.min() > 0 and numbers.max() > 20 * numbers.min() else numbers
        low, span = scaled.min(), max(float(np.ptp(scaled)), 1e-300)
        return (scaled - low) / span, [(0.0, f"{numbers.min():.3g}"), (1.0, f"{numbers.max():.3g}")]
    names, at = np.unique([str(value) for value in values], return_inverse=True)
    most = max(len(names) - 1, 1)
    return at / most, [(i / most, name) for i, name in enumerate(names.tolist())]


def _parallel(
    path: Path, options: Sequence[Mapping[str, Any]], values: np.ndarray, names: Sequence[str], metric: str
) -> Path:
    """One line a trial over one axis an option; its colour and the last axis are the metric."""
    axes_of = [_places([one.get(name) for one in options]) for name in names] + [_places(values.tolist())]
    lines = np.stack([places for places, _ in axes_of], axis=1)
    span = max(float(np.ptp(values)), 1e-300)
    colours = _colours((values - values.min()) / span)
    with style.look():
        fig = style.figure(max(4.5, 1.9 * len(axes_of)), 4.0)
        axes = style.axes_within(fig, left=0.6, right=0.35, bottom=0.35, top=0.8)
        for i in np.argsort(values):
            axes.plot(range(len(axes_of)), lines[i], color=colours[i], linewidth=1.4, alpha=0.85)
        for x, (_, labels) in enumerate(axes_of):
            axes.axvline(x, color=style.MUTED, linewidth=0.8, zorder=0)
            for y, label in labels:
                behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
                axes.text(x + 0.03, y, label, fontsize=8, va="center", bbox=behind)
        axes.set_xticks(range(len(axes_of)), [*names, metric])
        axes.set_xlim(-0.1, len(axes_of) - 0.6)
        axes.set_yticks([])
        for side in ("bottom", "left"):
            axes.spines[side].set_visible(False)
        style.heading(fig, f"{len(values)} trials", f"one line each, coloured by {metric}")
        return style.save(fig, path)


def _importance(path: Path, shares: Mapping[str, float], metric: str) -> Path:
    """A bar for each option, the largest share of the variance first."""
    names = sorted(shares, key=lambda name: shares[name])
    with style.look():
        fig = style.figure(6.6, 1.6 + 0.42 * len(names))
        axes = style.axes_within(fig, left=2.2, right=0.3, bottom=0.6, top=0.8)
        axes.barh(names, [shares[name] for name in names], color=style.COLOURS["trained"], height=0.6)
        for y, name in enumerate(names):
            axes.text(shares[name] + 0.01, y, f"{shares[name]:.2f}", va="center", fontsize=8)
        axes.set_xlim(0, 1.1)
        axes.set_xlabel(f"share of the variance of {metric} (epsilon squared)")
        style.heading(fig, "How much each option matters", f"to {metric}, over the trials of the sweep")
        return style.save(fig, path)


def _colours(places: np.ndarray) -> Any:
    import matplotlib

    return matplotlib.colormaps["viridis"](places)
