"""Collect the recall of planted neurons, and draw where metrics miss and what fools them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.metrics import heat
from actjax.benchmark.metrics.plants import DEFINITION
from actjax.pages import style

Rows = Sequence[Mapping[str, Any]]
COMPARISONS = {"frame": "vector: series in clips", "binary": "binary concepts", "map": "maps"}


class Curve(NamedTuple):
    """A metric's recall at 1 of undistorted plants, by SNR."""

    metric: str
    snr_db: list[float]
    recall: list[float]


def curves(rows: Rows, comparison: str) -> list[Curve]:
    """Those of all metrics, the highest first."""
    counted = [row for row in rows if row["comparison"] == comparison and row["kind"] == "none"]
    counted.sort(key=lambda row: (row["metric"], row["snr_db"]))
    of_metric: dict[str, Curve] = {}
    for row in counted:
        curve = of_metric.setdefault(row["metric"], Curve(row["metric"], [], []))
        curve.snr_db.append(row["snr_db"])
        curve.recall.append(row["recall"])
    return sorted(of_metric.values(), key=lambda curve: -float(np.mean(curve.recall)))


class Panel(NamedTuple):
    """Metrics of one comparison at 10 dB.

    Attributes:
      title: of the comparison.
      metrics: rows of both tables.
      kinds: of plants, columns of `recall`.
      recall: [metric, kind].
      area: [metric, negative] AUROC.
    """

    title: str
    metrics: list[str]
    kinds: list[str]
    recall: np.ndarray
    area: np.ndarray


def failures(plants: Rows, negatives: Rows, path: Path) -> Path:
    """Metrics by distortions at 10 dB (recall at 1), and by negatives (AUROC)."""
    every_kind = ["none", *DEFINITION["distortions"]]
    panels = []
    for comparison, title in (*COMPARISONS.items(), ("clip", "vector: one value a clip")):
        planted = [row for row in plants if row["comparison"] == comparison and row["snr_db"] == 10]
        wrong = [row for row in negatives if row["comparison"] == comparison and row["snr_db"] == 10]
        kinds = [kind for kind in every_kind if any(row["kind"] == kind for row in planted)]
        metrics = [curve.metric for curve in curves(plants, comparison)]
        recall = _grid(planted, metrics, "kind", kinds, "recall")
        area = _grid(wrong, metrics, "negative", DEFINITION["negatives"], "auroc")
        panels.append(Panel(title, metrics, kinds, recall, area))
    return _panels(panels, path)


def _grid(rows: Rows, metrics: Sequence[str], key: str, columns: Sequence[str], value: str) -> np.ndarray:
    """[metric, column] values of the rows, NaN where there is none."""
    values = {(row["metric"], row[key]): row[value] for row in rows}
    return np.asarray([[values.get((m, c), np.nan) for c in columns] for m in metrics], float)


# Of a cell, in inches; of what stands above a panel's cells; of the whole picture.
_CELL_WIDTH, _CELL_HEIGHT, _ABOVE, _PANELS_WIDTH = 0.42, 0.235, 1.45, 18.2


def _panels(panels: Sequence[Panel], path: Path) -> Path:
    """Two panels beside each other, and two below."""
    most = [max(len(panel.metrics) for panel in panels[i : i + 2]) for i in (0, 2)]
    height = 1.2 + sum(_ABOVE + _CELL_HEIGHT * count for count in most)
    with style.look():
        fig = style.figure(_PANELS_WIDTH, height)
        for i, panel in enumerate(panels):
            top = 1.95 if i < 2 else 1.95 + _ABOVE + _CELL_HEIGHT * most[0]
            _panel(fig, panel, left=2.05 + 9.4 * (i % 2), top=top)
        style.heading(
            fig,
            "What makes each metric miss, and what fools it?",
            "At 10 dB. Left: recall at 1 by distortion; "
            "right: AUROC of plants against neurons that follow none",
        )
        return style.save(fig, path)


def _panel(fig: Any, panel: Panel, left: float, top: float) -> None:
    """Both tables of a panel, its cells beginning so many inches from the picture's left and top."""
    height, tall = fig.get_figheight(), _CELL_HEIGHT * len(panel.metrics)
    right = left + _CELL_WIDTH * len(panel.kinds) + 0.4
    negatives = DEFINITION["negatives"]
    tables = (
        (left, panel.recall, panel.metrics, panel.kinds, "Blues"),
        (right, panel.area, None, negatives, "Oranges"),
    )
    for start, values, metrics, columns, colours in tables:
        width = _CELL_WIDTH * len(columns) / _PANELS_WIDTH
        axes = fig.add_axes((start / _PANELS_WIDTH, 1 - (top + tall) / height, width, tall / height))
        heat.draw(axes, values, metrics, columns, heat.Shading(colours, 0.0, 1.0))
    name_left, name_top = (left - 1.95) / _PANELS_WIDTH, 1 - (top - 0.6) / height
    fig.text(name_left, name_top, panel.title, weight="bold", size=10.5)
