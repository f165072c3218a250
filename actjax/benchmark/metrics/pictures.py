"""The pictures of the metric benchmark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.benchmark.metrics import causal as metrics_causal
from actjax.benchmark.metrics.label_checks import CHECKS, CONTINUOUS, GAMMAS
from actjax.benchmark.metrics.leaderboard import ANCHORS, TRACKS
from actjax.benchmark.metrics.plants import DEFINITION
from actjax.pages import style

_BLUE, _RED, _GREY = style.COLOURS["trained"], style.COLOURS["untrained"], "#9aa4ae"
_LINES = (_BLUE, _RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_COMPARISONS = {"frame": "vector: series in clips", "binary": "binary concepts", "map": "maps"}


def leaderboard(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """A bar for each metric and track, with its interval, and its false positives beside it."""
    tracks = [t for t in TRACKS if any(r["track"] == t for r in rows)]
    shown = {t: [r for r in rows if r["track"] == t and np.isfinite(r["total"])] for t in tracks}
    most = max(len(found) for found in shown.values())
    with style.look():
        width, height = 4.9 * len(tracks), 1.35 + 0.235 * most
        fig = style.figure(width, height)
        for i, track in enumerate(tracks):
            found = shown[track]
            tall = 0.235 * len(found) / height
            left = (4.9 * i + 2.15) / width
            axes = fig.add_axes((left, 1 - 0.95 / height - tall, 1.95 / width, tall))
            _bars(axes, found, track.capitalize())
        style.heading(
            fig,
            "Which metric finds what was planted?",
            "0 an answer at random, 1 the truth; lines: 95 %; right: negatives that pass for plants",
        )
        return style.save(fig, path)


def _bars(axes: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    y = np.arange(len(rows))[::-1]
    low = min([0.0, *(r["low"] for r in rows)])
    side = axes.get_yaxis_transform()
    for at, row in zip(y, rows, strict=True):
        anchor = row["metric"] in ANCHORS
        axes.barh(
            at, row["total"], height=0.7, color=_GREY if anchor else _BLUE, alpha=0.55 if anchor else 0.85
        )
        axes.plot([row["low"], row["high"]], [at, at], color=style.INK, linewidth=1.1)
        wrong = "" if not np.isfinite(row["false_positives"]) else f"{100 * row['false_positives']:.0f} %"
        axes.text(1.2, at, wrong, transform=side, va="center", ha="right", size=8, color=style.MUTED)
    names = [r["metric"] if r["rank"] is None else f"{r['metric']}  {r['rank']}" for r in rows]
    axes.set_yticks(y, names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(low, 1.0)
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    axes.set_title(title, pad=6)


def recall_curves(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Recall at 1 of undistorted plants over SNR: the first six metrics in colour, the others in grey."""
    with style.look():
        fig = style.figure(15.0, 4.4)
        for i, (comparison, title) in enumerate(_COMPARISONS.items()):
            axes = fig.add_axes((0.045 + 0.325 * i, 0.13, 0.185, 0.66))
            curves = _curves(rows, comparison)
            for j, (label, (x, y)) in enumerate(curves):
                colour = _LINES[j] if j < len(_LINES) else "#c9cfd5"
                top = j < len(_LINES)
                axes.plot(x, y, color=colour, lw=1.8 if top else 0.8, zorder=3 if top else 1, marker="o",
                          markersize=3 if top else 0, label=label if top else None)  # fmt: skip
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


def _curves(rows, comparison: str):
    metrics = sorted({r["metric"] for r in rows if r["comparison"] == comparison})
    found = []
    for metric in metrics:
        mine = [r for r in rows if (r["metric"], r["comparison"], r["kind"]) == (metric, comparison, "none")]
        mine.sort(key=lambda r: r["snr_db"])
        found.append((metric, ([r["snr_db"] for r in mine], [r["recall"] for r in mine])))
    return sorted(found, key=lambda item: -float(np.mean(item[1][1])))


def failures(plants: Sequence[dict[str, Any]], negatives: Sequence[dict[str, Any]], path: Path) -> Path:
    """Metrics by distortions at 10 dB (recall at 1), and by negatives (AUROC)."""
    columns = ["none", *DEFINITION["distortions"]]
    panels = []
    for comparison, title in (*_COMPARISONS.items(), ("clip", "vector: one value a clip")):
        here = [r for r in plants if r["comparison"] == comparison and r["snr_db"] == 10]
        kinds = [k for k in columns if any(r["kind"] == k for r in here)]
        metrics = [label for label, _ in _curves(plants, comparison)]
        recall = _grid(here, metrics, "kind", kinds, "recall")
        wrong = [r for r in negatives if r["comparison"] == comparison and r["snr_db"] == 10]
        area = _grid(wrong, metrics, "negative", DEFINITION["negatives"], "auroc")
        panels.append((title, metrics, kinds, recall, area))
    return _panels(
        panels, path, "What makes each metric miss, and what fools it?",
        "At 10 dB. Left: recall at 1 by distortion; right: AUROC of plants against neurons that follow none",
    )  # fmt: skip


def _grid(rows, metrics, key: str, columns, value: str) -> np.ndarray:
    found = {(r["metric"], r[key]): r[value] for r in rows}
    return np.asarray([[found.get((m, c), np.nan) for c in columns] for m in metrics], float)


def _panels(panels, path: Path, title: str, subtitle: str) -> Path:
    cell_w, cell_h, width = 0.42, 0.235, 18.2
    most = [max(len(p[1]) for p in panels[i : i + 2]) for i in (0, 2)]
    height = 1.2 + sum(1.45 + cell_h * n for n in most)
    with style.look():
        fig = style.figure(width, height)
        for i, (name, metrics, kinds, recall, area) in enumerate(panels):
            left = 2.05 + 9.4 * (i % 2)
            top = 1.95 if i < 2 else 1.95 + 1.45 + cell_h * most[0]
            tall = cell_h * len(metrics)
            for j, (values, columns, map_name) in enumerate(
                ((recall, kinds, "Blues"), (area, DEFINITION["negatives"], "Oranges"))
            ):
                x = left + j * (cell_w * len(kinds) + 0.4)
                box = (x / width, 1 - (top + tall) / height, cell_w * len(columns) / width, tall / height)
                axes = fig.add_axes(box)
                heat(axes, values, metrics if j == 0 else None, columns, map_name, (0.0, 1.0))
                if j == 0:
                    fig.text((left - 1.95) / width, 1 - (top - 0.6) / height, name, weight="bold", size=10.5)
        style.heading(fig, title, subtitle)
        return style.save(fig, path)


def heat(axes, values, rows, columns, colours: str, limits, digits: int = 2, turned: bool = True) -> None:
    """A table of numbers on colours; what is undefined is hatched."""
    axes.set_facecolor("#eceff2")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("#c4cad0")
    axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    middle, reach = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            strong = (value - middle) / reach > 0.3 if limits[0] == 0 else abs(value - middle) / reach > 0.6
            text = f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
            axes.text(j, i, text, ha="center", va="center", size=7, color="white" if strong else style.INK)
    axes.set_yticks(range(values.shape[0]), rows if rows is not None else [""] * values.shape[0])
    axes.set_xticks(
        range(values.shape[1]), columns, rotation=45 if turned else 0, ha="left" if turned else "center"
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def label_checks(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Mean change of every metric under both checks, and whether it fell."""
    metrics = sorted({r["metric"] for r in rows}, key=lambda m: -_passed(rows, m))
    at = (*GAMMAS, CONTINUOUS)
    columns = [f"{g:g}" for g in GAMMAS] + ["continuous"]
    with style.look():
        width, height = 12.4, 1.55 + 0.25 * len(metrics)
        fig = style.figure(width, height)
        for i, check in enumerate(CHECKS):
            found = {(r["metric"], r["gamma"]): r["delta"] for r in rows if r["check"] == check}
            values = np.asarray([[found.get((m, g), np.nan) for g in at] for m in metrics])
            box = ((2.3 + 4.6 * i) / width, 0.15 / height, 4.35 / width, 0.25 * len(metrics) / height)
            axes = fig.add_axes(box)
            heat(
                axes,
                values,
                metrics if i == 0 else None,
                columns,
                "RdBu",
                (-0.5, 0.5),
                digits=3,
                turned=False,
            )
            axes.set_title(f"{check} labels, by activation frequency", pad=22)
        passed = [f"{_passed(rows, m):.0%}" for m in metrics]
        for y, text in enumerate(passed):
            axes.text(5.75, y, text, va="center", size=8, color=style.MUTED)
        axes.text(5.75, -1.05, "falls in", va="center", size=8, color=style.MUTED)
        style.heading(
            fig, "Does a score fall when the concept gets worse?",
            "Mean change over the metric's range (plain where that is infinite): sound is below 0 throughout",
        )  # fmt: skip
        return style.save(fig, path)


def _passed(rows, metric: str) -> float:
    falls = [r["decrease"] for r in rows if r["metric"] == metric]
    return float(np.mean(np.nan_to_num(falls)))


def causal(rows: Sequence[dict[str, Any]], doses: Sequence[dict[str, Any]], path: Path) -> Path:
    """Interventions by features and by their best units; whether scores predict effects."""
    matrices = _matrices(doses)
    causes, names = list(metrics_causal.CAUSES), [c.target for c in metrics_causal.CAUSES.values()]
    with style.look():
        metrics, values, columns = _predictions(rows)
        width = 1.15 + 3.1 * len(matrices) + 1.35 + 0.55 * len(columns) + 1.3
        height = max(4.6, 2.3 + 0.22 * len(metrics))
        fig = style.figure(width, height)
        for i, (name, matrix) in enumerate(matrices.items()):
            axes = fig.add_axes(((1.15 + 3.1 * i) / width, 1 - 4.3 / height, 2.7 / width, 2.3 / height))
            reach = max(float(np.abs(matrix).max()), 1e-6)
            heat(axes, matrix, causes if i == 0 else None, names, "RdBu_r", (-reach, reach))
            axes.set_title("features" if i == 0 else f"{name}: best units", pad=72)
        left = 1.15 + 3.1 * len(matrices) + 1.35
        tall = 0.22 * len(metrics)
        axes = fig.add_axes(
            (left / width, 1 - (2.0 + tall) / height, 0.55 * len(columns) / width, tall / height)
        )
        heat(axes, values, metrics, columns, "RdBu", (-1, 1))
        axes.set_title("scores predict effects", pad=72)
        style.heading(
            fig, "Who responds when one thing alone is changed?",
            "Slope on the dose, in deviations between clips; right: rank correlation of score and effect",
        )  # fmt: skip
        return style.save(fig, path)


def _matrices(doses: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    networks = dict.fromkeys(r["network"] for r in doses)
    size = len(metrics_causal.CAUSES)
    return {n: np.reshape([r["slope"] for r in doses if r["network"] == n], (size, size)) for n in networks}


def _predictions(rows: Sequence[dict[str, Any]]):
    networks = list(dict.fromkeys(r["network"] for r in rows))
    metrics = sorted({r["metric"] for r in rows})
    mean = {
        (m, n): float(np.mean([r["predicts"] for r in rows if (r["metric"], r["network"]) == (m, n)]))
        for m in metrics
        for n in networks
    }
    metrics.sort(key=lambda m: -np.mean([mean[m, n] for n in networks]))
    return metrics, np.asarray([[mean[m, n] for n in networks] for m in metrics]), networks
