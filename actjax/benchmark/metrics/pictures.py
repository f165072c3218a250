"""Draw the pictures of the metric benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.benchmark.metrics import causal as metrics_causal
from actjax.benchmark.metrics import heat, recall
from actjax.benchmark.metrics.judging import ANCHORS
from actjax.benchmark.metrics.label_checks import CHECKS, CONTINUOUS, GAMMAS
from actjax.benchmark.metrics.leaderboard import TRACKS
from actjax.benchmark.metrics.recall import Rows
from actjax.pages import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _GREY = style.COLOURS["trained"], style.COLOURS["untrained"], "#9aa4ae"
# Of the metrics that are drawn in colour.
_LINES = (_BLUE, _RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def leaderboard(rows: Rows, path: Path) -> Path:
    """A bar for each metric and track, with its interval, and its false positives beside it."""
    shown = {
        track: [row for row in rows if row["track"] == track and np.isfinite(row["total"])]
        for track in TRACKS
        if any(row["track"] == track for row in rows)
    }
    most = max(len(track_rows) for track_rows in shown.values())
    with style.look():
        width, height = 4.9 * len(shown), 1.35 + 0.235 * most
        fig = style.figure(width, height)
        for i, (track, track_rows) in enumerate(shown.items()):
            tall = 0.235 * len(track_rows) / height
            left = (4.9 * i + 2.15) / width
            axes = fig.add_axes((left, 1 - 0.95 / height - tall, 1.95 / width, tall))
            _bars(axes, track_rows, track.capitalize())
        style.heading(
            fig,
            "Which metric finds what was planted?",
            "0 an answer at random, 1 the truth; lines: 95 %; right: negatives that pass for plants",
        )
        return style.save(fig, path)


def _bars(axes: "Axes", rows: Rows, title: str) -> None:
    """One bar a row, the first on top."""
    heights = np.arange(len(rows))[::-1]
    beside = axes.get_yaxis_transform()
    for height, row in zip(heights, rows, strict=True):
        is_anchor = row["metric"] in ANCHORS
        colour, alpha = (_GREY, 0.55) if is_anchor else (_BLUE, 0.85)
        axes.barh(height, row["total"], height=0.7, color=colour, alpha=alpha)
        axes.plot([row["low"], row["high"]], [height, height], color=style.INK, linewidth=1.1)
        if np.isfinite(row["false_positives"]):
            wrong = f"{100 * row['false_positives']:.0f} %"
            axes.text(
                1.2, height, wrong, transform=beside, va="center", ha="right", size=8, color=style.MUTED
            )
    names = [row["metric"] if row["rank"] is None else f"{row['metric']}  {row['rank']}" for row in rows]
    axes.set_yticks(heights, names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(min([0.0, *(row["low"] for row in rows)]), 1.0)
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    axes.set_title(title, pad=6)


def recall_curves(rows: Rows, path: Path) -> Path:
    """Recall at 1 of undistorted plants over SNR: the first six metrics in colour, the others in grey."""
    with style.look():
        fig = style.figure(15.0, 4.4)
        for i, (comparison, title) in enumerate(recall.COMPARISONS.items()):
            axes = fig.add_axes((0.045 + 0.325 * i, 0.13, 0.185, 0.66))
            for j, curve in enumerate(recall.curves(rows, comparison)):
                in_colour = j < len(_LINES)
                axes.plot(
                    curve.snr_db,
                    curve.recall,
                    color=_LINES[j] if in_colour else "#c9cfd5",
                    linewidth=1.8 if in_colour else 0.8,
                    zorder=3 if in_colour else 1,
                    marker="o",
                    markersize=3 if in_colour else 0,
                    label=curve.metric if in_colour else None,
                )
            axes.set_ylim(-0.02, 1.03)
            axes.set_xlabel("SNR (dB)")
            axes.set_title(title)
            axes.grid(axis="y")
            axes.axhline(0.95, color=style.MUTED, linewidth=0.7, linestyle=":")
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, handlelength=1.2)
        fig.axes[0].set_ylabel("recall at 1")
        style.heading(
            fig,
            "From which SNR on is the planted feature found?",
            "Undistorted plants; grey: the other metrics",
        )
        return style.save(fig, path)


def label_checks(rows: Rows, path: Path) -> Path:
    """Mean change of every metric under both checks, and whether it fell."""
    passed = {metric: _passed(rows, metric) for metric in sorted({row["metric"] for row in rows})}
    metrics = sorted(passed, key=lambda metric: -passed[metric])
    columns = [f"{gamma:g}" for gamma in GAMMAS] + ["continuous"]
    with style.look():
        width, height, tall = 12.4, 1.55 + 0.25 * len(metrics), 0.25 * len(metrics)
        fig = style.figure(width, height)
        for i, check in enumerate(CHECKS):
            delta = {(row["metric"], row["gamma"]): row["delta"] for row in rows if row["check"] == check}
            values = np.asarray(
                [[delta.get((m, gamma), np.nan) for gamma in (*GAMMAS, CONTINUOUS)] for m in metrics]
            )
            axes = fig.add_axes(((2.3 + 4.6 * i) / width, 0.15 / height, 4.35 / width, tall / height))
            shading = heat.Shading("RdBu", -0.5, 0.5, digits=3)
            heat.draw(axes, values, metrics if i == 0 else None, columns, shading, turned=False)
            axes.set_title(f"{check} labels, by activation frequency", pad=22)
            if check == CHECKS[-1]:
                for y, metric in enumerate(metrics):
                    axes.text(5.75, y, f"{passed[metric]:.0%}", va="center", size=8, color=style.MUTED)
                axes.text(5.75, -1.05, "falls in", va="center", size=8, color=style.MUTED)
        style.heading(
            fig,
            "Does a score fall when the concept gets worse?",
            "Mean change over the metric's range (plain where that is infinite): sound is below 0 throughout",
        )
        return style.save(fig, path)


def _passed(rows: Rows, metric: str) -> float:
    falls = [row["decrease"] for row in rows if row["metric"] == metric]
    return float(np.mean(np.nan_to_num(falls)))


def causal(rows: Rows, doses: Rows, path: Path) -> Path:
    """Interventions by features and by their best units; whether scores predict effects."""
    slopes, predictions = _slopes(doses), _predictions(rows)
    causes = list(metrics_causal.CAUSES)
    targets = [cause.target for cause in metrics_causal.CAUSES.values()]
    left, tall = 1.15 + 3.1 * len(slopes) + 1.35, 0.22 * len(predictions.metrics)
    with style.look():
        width = left + 0.55 * len(predictions.networks) + 1.3
        height = max(4.6, 2.3 + tall)
        fig = style.figure(width, height)
        for i, (name, matrix) in enumerate(slopes.items()):
            axes = fig.add_axes(((1.15 + 3.1 * i) / width, 1 - 4.3 / height, 2.7 / width, 2.3 / height))
            reach = max(float(np.abs(matrix).max()), 1e-6)
            shading = heat.Shading("RdBu_r", -reach, reach)
            heat.draw(axes, matrix, causes if i == 0 else None, targets, shading)
            axes.set_title("features" if i == 0 else f"{name}: best units", pad=72)
        wide = 0.55 * len(predictions.networks)
        axes = fig.add_axes((left / width, 1 - (2.0 + tall) / height, wide / width, tall / height))
        shading = heat.Shading("RdBu", -1.0, 1.0)
        heat.draw(axes, predictions.values, predictions.metrics, predictions.networks, shading)
        axes.set_title("scores predict effects", pad=72)
        style.heading(
            fig,
            "Who responds when one thing alone is changed?",
            "Slope on the dose, in deviations between clips; right: rank correlation of score and effect",
        )
        return style.save(fig, path)


def _slopes(doses: Rows) -> dict[str, np.ndarray]:
    """Network, features first -> [intervention, target] slopes on the dose."""
    networks = dict.fromkeys(row["network"] for row in doses)
    size = len(metrics_causal.CAUSES)
    return {
        network: np.reshape([row["slope"] for row in doses if row["network"] == network], (size, size))
        for network in networks
    }


class Predictions(NamedTuple):
    """How well each metric's scores predict effects: [metric, network], the best metric first."""

    metrics: list[str]
    networks: list[str]
    values: np.ndarray


def _predictions(rows: Rows) -> Predictions:
    networks = list(dict.fromkeys(row["network"] for row in rows))
    metrics = sorted({row["metric"] for row in rows})
    values = np.asarray(
        [
            [
                np.mean([r["predicts"] for r in rows if (r["metric"], r["network"]) == (metric, network)])
                for network in networks
            ]
            for metric in metrics
        ]
    )
    order = sorted(range(len(metrics)), key=lambda i: -np.mean(values[i]))
    return Predictions([metrics[i] for i in order], networks, values[order])
