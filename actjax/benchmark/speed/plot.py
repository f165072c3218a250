"""The picture of a speed benchmark: seconds, and share of the plain product's rate, against pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Okabe and Ito's palette; ours are drawn solid, others dashed.
_PRODUCT = "plain matrix product"
_LOOKS = {
    _PRODUCT: ("#6b7280", ":", None),
    "pearson": ("#0072B2", "-", "o"),
    "spearman": ("#009E73", "-", "s"),
    "auc": ("#E69F00", "-", "^"),
    "NumPy z-score + product": ("#56B4E9", "--", "D"),
    "scipy.stats.pearsonr, each pair": ("#D55E00", "--", "v"),
}


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draws the scaling rows of `actjax.benchmark.speed.run.benchmark`, log against log."""
    from actjax.pages import style

    points = [row for row in rows if row["part"] == "scaling"]
    with style.look():
        fig = style.figure(7.0, 6.0)
        axes = fig.add_axes((0.105, 0.39, 0.60, 0.47))
        below = fig.add_axes((0.105, 0.09, 0.60, 0.22), sharex=axes)
        ends, lines = [], _lines(points)
        for name, own in lines.items():
            colour, line, marker = _LOOKS.get(name, ("#CC79A7", "-", "x"))
            looks = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4.5}
            axes.plot(list(own), list(own.values()), **looks)
            ends.append((list(own.items())[-1], name, colour))
            share = {p: s / own[p] for p, s in lines.get(_PRODUCT, {}).items() if p in own}
            if share:
                below.plot(list(share), list(share.values()), **looks)
        axes.set(xscale="log", yscale="log", ylabel="seconds")
        axes.tick_params(labelbottom=False)
        below.set(xlabel="pairs of a neuron and a feature row", ylim=(0, 1.05))
        below.set_title("Share of the plain product's rate", fontsize=9.5)
        for each in (axes, below):
            each.grid(True)
        _label(axes, ends)
        title = "Scores of all pairs, by one matrix product or pair by pair"
        style.heading(fig, title, f"{points[0]['observations']:,} observations, {points[0]['device']}")
        return style.save(fig, path)


def _lines(points: Sequence[Mapping[str, Any]]) -> dict[str, dict[float, float]]:
    """name -> {pairs: seconds}, in the order of the pairs."""
    lines: dict[str, dict[float, float]] = {}
    for row in sorted(points, key=lambda row: row["pairs"]):
        lines.setdefault(row["name"], {})[row["pairs"]] = row["seconds"]
    return lines


def _label(axes: Any, ends: list[tuple[tuple[float, float], str, str]]) -> None:
    """Names beside the plot, spread out in the order in which the lines end; a rule leads to each end."""
    import numpy as np

    low, high = np.log10(axes.get_ylim())
    ends = sorted(ends, key=lambda end: end[0][1])
    heights = [(np.log10(seconds) - low) / (high - low) for (_, seconds), _, _ in ends]
    gap, placed = 0.075, []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    top = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], top)
        top = placed[i] - gap
    for (point, name, colour), height in zip(ends, placed, strict=True):
        axes.annotate(
            name,
            xy=point,
            xytext=(1.03, height),
            textcoords="axes fraction",
            color=colour,
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.5, "shrinkB": 4},
        )
