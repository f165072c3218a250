"""Pictures beside the scores: map and feature side by side, the confusion matrix, the training curve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actjax.pages import style
from actjax.pages.numbers import signed
from actjax.report.summary import INPUT
from actjax.workdir.evaluation_record import Evaluation
from actjax.workdir.examples import Example

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 8
_PITCH = 3.4  # inches from one column of maps to the next
_OCTAVES_HZ = (62.5, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_SPLIT_COLOURS = {"train": "#8a95a1"}


def map_pairs(examples: Sequence[Example], networks: tuple[str, ...], path: Path) -> Path:
    """Draws each feature matrix with the activation maps that come closest to it at its right.

    One line for each feature, metric and clip; the feature in the first column, then one column for
    each network, in the networks' order.
    """
    lines: dict[tuple, dict[str, Example]] = {}
    for example in examples:
        line = lines.setdefault((example.feature, example.metric, example.clip_id), {})
        line.setdefault(example.network, example)
    shown = [n for n in networks if any(n in line for line in lines.values())]
    lines = dict(list(lines.items())[:_MOST_LINES])
    width, each, top, bottom = 0.1 + _PITCH * (1 + len(shown)), 1.95, 0.75, 0.05
    height = top + bottom + each * len(lines)
    with style.look():
        fig = style.figure(width, height)
        for i, line in enumerate(lines.values()):
            low = 1 - (top + each * (i + 1)) / height
            first = next(iter(line.values()))
            for column, network in enumerate(["", *shown]):
                if network and network not in line:
                    continue
                box = ((0.62 + _PITCH * column) / width, low + 0.48 / height, 2.2 / width, 1.08 / height)
                _matrix(fig, box, first if not network else line[network], network, networks)
        subtitle = (
            "Left, the feature; then each network's closest map on that clip and grid. Scores: all clips."
        )
        style.heading(fig, "What the closest maps look like", subtitle)
        return style.save(fig, path)


def confusion(evaluation: Evaluation, path: Path) -> Path:
    """Draws the confusion matrix: colour is the share of the true class, numbers count clips."""
    names, counts = list(evaluation.class_names), evaluation.confusion
    longest, side = 0.075 * max(map(len, names)), max(0.36 * len(names), 2.4)
    width, height = max(0.6 + longest + side + 0.9, 5.2), 1.3 + longest + side
    with style.look():
        fig = style.figure(width, height)
        left, bottom = 0.6 + longest, 0.45 + longest
        axes = fig.add_axes((left / width, bottom / height, side / width, side / height))
        image = _shares(axes, counts, numbers=len(names) <= 30)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = fig.colorbar(
            image,
            cax=fig.add_axes(((left + side + 0.12) / width, bottom / height, 0.11 / width, side / height)),
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=8)
        value, name, clips = evaluation.quality()
        style.heading(fig, "Confusion", f"{name} {value:.3f}, {clips}; colour: share of the true class")
        return style.save(fig, path)


def _shares(axes: "Axes", counts: np.ndarray, *, numbers: bool) -> Any:
    """Draws counts as shares of their lines, with the counts themselves where there are few classes."""
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (y, x), count in np.ndenumerate(counts):
        if count and numbers:
            colour = style.text_on(image.to_rgba(share[y, x]))
            axes.text(x, y, str(count), ha="center", va="center", size=8, color=colour)
    return image


def training_curve(curve: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draws loss and accuracy by training step, one line for each split."""
    names = [n for n in ("loss", "accuracy") if any(n in e for e in curve)]
    splits = list(dict.fromkeys(e["split"] for e in curve))
    with style.look():
        fig = style.figure(8.2, 3.5)
        panels = fig.subplots(1, max(len(names), 1), squeeze=False)[0]
        fig.subplots_adjust(left=0.075, right=0.98, top=0.72, bottom=0.14, wspace=0.2)
        palette = iter(("#0072B2", "#D55E00", "#009E73", "#CC79A7"))
        colours = {s: _SPLIT_COLOURS.get(s) or next(palette, style.INK) for s in splits}
        for axes, name in zip(panels, names, strict=False):
            for split in splits:
                points = [(e["step"], e[name]) for e in curve if e["split"] == split and name in e]
                if points:
                    style_of = {"marker": "o", "markersize": 4} if len(points) < 30 else {}
                    axes.plot(
                        *zip(*points, strict=True),
                        color=colours[split],
                        label=split,
                        linewidth=1.8,
                        **style_of,
                    )
            axes.set_title(name, pad=6)
            axes.set_xlabel("step")
            axes.grid(axis="y")
            axes.tick_params(length=0)
            low, high = axes.get_ylim()
            axes.set_ylim(*((0, max(high, 0)) if name == "loss" else (min(low, 0), 1.02)))
        if names:
            panels[0].legend(loc="upper right", fontsize=9)
        style.heading(fig, "Training", "loss and accuracy by training step")
        return style.save(fig, path)


def _matrix(
    fig: "Figure",
    box: tuple[float, float, float, float],
    example: Example,
    network: str,
    networks: tuple[str, ...],
) -> None:
    """One image with its axes: the example's map, or its feature where `network` is empty."""
    values = np.asarray(example.map_ft if network else example.values_kt, float)
    axes = fig.add_axes(box)
    axes.set_facecolor("#f1f3f5")
    times = np.asarray(example.times_s, float)
    half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    extent = (times[0] - half, times[-1] + half, -0.5, len(values) - 0.5)
    image = axes.imshow(
        np.ma.masked_invalid(values), origin="lower", aspect="auto", cmap="magma", extent=extent
    )
    axes.set_xlabel("time (s)", labelpad=1)
    centres_hz = example.map_hz if network else example.feature_hz
    _rows(axes, len(values), centres_hz, None if network else example.row_names)
    axes.tick_params(length=2, labelsize=8)
    bar_box = (box[0] + box[2] + 0.012 * box[2] * 2, box[1], box[2] * 0.035, box[3])
    bar = fig.colorbar(image, cax=fig.add_axes(bar_box))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7.5)
    bar.ax.locator_params(nbins=4)
    if not network:
        title, line, colour = example.feature, f"clip {example.clip_id}", style.INK
    else:
        unit = "band" if network == INPUT else "neuron"
        title = f"{network} · {example.layer}" if network != example.layer else network
        title += f" · {unit} {example.neuron}" if network != INPUT else ""
        line, colour = f"{example.metric} {signed(example.score)}", style.colour(network, networks)
    axes.text(0, 1.16, title, transform=axes.transAxes, size=9.5, weight="bold", color=colour, va="bottom")
    axes.text(0, 1.03, line, transform=axes.transAxes, size=8.5, color=style.MUTED, va="bottom")


def _rows(axes: "Axes", rows: int, centres_hz: Sequence[float] | None, names: Sequence[str] | None) -> None:
    """Labels the rows: octave-spaced frequencies, names, or row numbers."""
    if centres_hz:
        centres = np.asarray(centres_hz, float)
        marks = [f for f in _OCTAVES_HZ if centres[0] <= f <= centres[-1]]
        marks = marks[-5:] if len(marks) > 1 else [centres[0], centres[-1]]
        places = np.interp(marks, centres, np.arange(rows))
        labels = [f"{f / 1000:g}k" if f >= 1000 else f"{f:.0f}" for f in marks]
        axes.set_yticks(places, labels)
        axes.set_ylabel("Hz", labelpad=1)
    elif names:
        step = max(1, -(-rows // 6))
        axes.set_yticks(range(0, rows, step), list(names)[::step])
    else:
        axes.set_yticks(np.unique(np.linspace(0, rows - 1, min(rows, 4)).astype(int)))
        axes.set_ylabel("row", labelpad=1)
