"""The picture of a speed benchmark: seconds, and share of the plain product's rate, against pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.speed.cases import PRODUCT

# Line -> {pairs: seconds}, ascending.
Curves = Mapping[str, Mapping[float, float]]


class Look(NamedTuple):
    """How a line is drawn; ours are solid, others dashed."""

    colour: str
    style: str
    marker: str | None


class End(NamedTuple):
    """Where a line ends, and what stands there."""

    pairs: float
    seconds: float
    name: str
    colour: str


# Okabe and Ito's palette.
_LOOKS = {
    PRODUCT: Look("#6b7280", ":", None),
    "pearson": Look("#0072B2", "-", "o"),
    "spearman": Look("#009E73", "-", "s"),
    "auc": Look("#E69F00", "-", "^"),
    "NumPy z-score + product": Look("#56B4E9", "--", "D"),
    "scipy.stats.pearsonr, each pair": Look("#D55E00", "--", "v"),
}
_OTHER = Look("#CC79A7", "-", "x")


class Accelerator(NamedTuple):
    """What an accelerator did at the same shapes.

    Attributes:
      device: its name.
      curves: as measured there.
    """

    device: str
    curves: Curves


def draw(rows: Sequence[Mapping[str, Any]], path: Path, accelerator: Accelerator | None = None) -> Path:
    """Draws the scaling rows of `actjax.benchmark.speed.run.benchmark`, log against log.

    Args:
      rows: with "part" scaling, of one device.
      path: of the picture.
      accelerator: drawn beside it, with open markers.
    """
    from actjax.pages import style

    points = [row for row in rows if row["part"] == "scaling"]
    with style.look():
        figure = style.figure(7.6, 6.0)
        axes = figure.add_axes((0.1, 0.39, 0.55, 0.47))
        below = figure.add_axes((0.1, 0.09, 0.55, 0.22), sharex=axes)
        ends = _draw_curves(axes, below, _curves(points))
        device = points[0]["device"]
        if accelerator is not None:
            ends += _draw_curves(axes, below, accelerator.curves, f", {_short(accelerator.device)}")
            device = f"{device}; open markers: {accelerator.device}"
        axes.set(xscale="log", yscale="log", ylabel="seconds")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: power_of_ten(value))
        axes.tick_params(labelbottom=False)
        below.set(xlabel="pairs of a neuron and a feature row")
        below.set_ylim(bottom=0)
        below.set_title("Share of the plain product's rate", fontsize=9.5)
        for each in (axes, below):
            each.grid(True)
        _label(axes, ends)
        title = "Scores of all pairs, by one matrix product or pair by pair"
        style.heading(figure, title, f"{int(points[0]['observations']):,} observations, {device}")
        return style.save(figure, path)


def power_of_ten(value: float) -> str:
    """10 with its exponent raised: the style leaves matplotlib's own markup as it is."""
    exponent = str(round(np.log10(value)))
    return "10" + exponent.translate(
        str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
    )


def _short(device: str) -> str:
    """A card's name without its number, its maker and its memory."""
    words = device.split(" x ")[-1].split()
    told = [w for w in words if w != "NVIDIA" and not w.startswith("HBM") and not w.endswith("GB")]
    return " ".join(told) or device


def _draw_curves(axes: Any, below: Any, curves: Curves, suffix: str = "") -> list[End]:
    """Draws the lines of one device; those with a suffix have open markers and are thinner."""
    ends = []
    for name, seconds in curves.items():
        look = _LOOKS.get(name, _OTHER)
        looks = {"color": look.colour, "linestyle": look.style, "marker": look.marker, "markersize": 4.5}
        if suffix:
            looks |= {"markerfacecolor": "white", "linewidth": 1.0}
        axes.plot(list(seconds), list(seconds.values()), **looks)
        pairs, last = list(seconds.items())[-1]
        ends.append(End(pairs, last, name + suffix, look.colour))
        share = {p: s / seconds[p] for p, s in curves.get(PRODUCT, {}).items() if p in seconds}
        if share:
            below.plot(list(share), list(share.values()), **looks)
    return ends


def _curves(points: Sequence[Mapping[str, Any]]) -> Curves:
    curves: dict[str, dict[float, float]] = {}
    for row in sorted(points, key=lambda row: row["pairs"]):
        curves.setdefault(row["name"], {})[row["pairs"]] = row["seconds"]
    return curves


def _label(axes: Any, ends: Sequence[End]) -> None:
    """Names beside the plot, spread out in the order in which the lines end; a rule leads to each end."""
    low, high = np.log10(axes.get_ylim())
    ends = sorted(ends, key=lambda end: end.seconds)
    gap = min(0.075, 1.0 / max(len(ends) - 1, 1))
    placed: list[float] = []
    for end in ends:
        height = (np.log10(end.seconds) - low) / (high - low)
        placed.append(max(height, placed[-1] + gap) if placed else height)
    top = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], top)
        top = placed[i] - gap
    for end, height in zip(ends, placed, strict=True):
        axes.annotate(
            end.name,
            xy=(end.pairs, end.seconds),
            xytext=(1.03, height),
            textcoords="axes fraction",
            color=end.colour,
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.5, "alpha": 0.5, "shrinkB": 4},
        )
