"""The picture of a speed benchmark: seconds against pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Okabe and Ito's palette; ours are drawn solid, others dashed.
_LOOKS = {
    "plain matrix product": ("#6b7280", ":", None),
    "pearson": ("#0072B2", "-", "o"),
    "spearman": ("#009E73", "-", "s"),
    "auc": ("#E69F00", "-", "^"),
    "NumPy z-score + product": ("#56B4E9", "--", "D"),
    "scipy.stats.pearsonr, each pair": ("#D55E00", "--", "v"),
}


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draws the scaling rows of `actjax.benchmark.speed.benchmark`, log against log."""
    from actjax.report import style

    points = [row for row in rows if row["part"] == "scaling"]
    with style.look():
        fig = style.figure(7.0, 4.6)
        axes = fig.add_axes((0.105, 0.12, 0.60, 0.70))
        ends = []
        for name in dict.fromkeys(row["name"] for row in points):
            own = sorted((row["pairs"], row["seconds"]) for row in points if row["name"] == name)
            colour, line, marker = _LOOKS.get(name, ("#CC79A7", "-", "x"))
            axes.plot(*zip(*own, strict=True), color=colour, linestyle=line, marker=marker, markersize=4.5)
            ends.append((own[-1], name, colour))
        axes.set(xscale="log", yscale="log", xlabel="pairs of a neuron and a feature row", ylabel="seconds")
        axes.grid(True)
        _label(axes, ends)
        title = "Scores of all pairs, by one matrix product or pair by pair"
        style.heading(fig, title, f"{points[0]['observations']:,} observations, {points[0]['device']}")
        return style.save(fig, path)


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
