"""Reads from a trial's workdir what a search judges it by."""

from pathlib import Path

import numpy as np

from actjax import lookup
from actjax.scores import files as scores_files
from actjax.workdir import curve, findings_table, train_record

KNOWN = ("test_accuracy", "loss", "accuracy", "findings.<claim>", "scores.<metric>.<feature>")


def check(metric: str) -> None:
    """Raises ValueError unless a metric is one of KNOWN."""
    kind, _, of_kind = metric.partition(".")
    if kind == "findings" and of_kind:
        return
    if kind == "scores" and of_kind.count(".") == 1:
        lookup.check("metric", of_kind.split(".")[0])
        return
    if metric not in KNOWN[:3]:
        raise ValueError(f"Search: metric must be one of {', '.join(KNOWN)}; got {metric!r}")


def read(workdir: Path, metric: str) -> float | None:
    """The value of a metric in a workdir; None where it has none."""
    kind, _, of_kind = metric.partition(".")
    if kind == "findings":
        return _of_findings(workdir, of_kind)
    if kind == "scores":
        return _of_scores(workdir, *of_kind.split("."))
    if metric == "test_accuracy":
        record = train_record.read(workdir)
        return record and record.test_accuracy
    values = [line[metric] for line in curve.read(workdir) if line["split"] == "eval" and metric in line]
    return (min if metric == "loss" else max)(values, default=None)


def _of_findings(workdir: Path, claim: str) -> float | None:
    if not findings_table.path_of(workdir).exists():
        return None
    rows = {row["part"]: row["scores"]["trained"]["value"] for row in findings_table.need(workdir)["parts"]}
    if claim not in rows:
        raise ValueError(f"Search: metric findings.{claim}: {lookup.suggest(claim, list(rows))}")
    return rows[claim]


def _of_scores(workdir: Path, metric: str, feature: str) -> float | None:
    """The largest |score| of the trained network's neurons with a feature."""
    wanted = {"network": "trained", "metric": metric, "feature": feature}
    rows = scores_files.load_scores(workdir).select([*wanted, "score", "valid"]).to_pydict()
    chosen = np.asarray(rows["valid"], bool)
    for column, value in wanted.items():
        chosen &= np.asarray(rows[column]) == value
    scores = np.abs(np.asarray(rows["score"], np.float64)[chosen])
    return float(scores.max()) if len(scores) else None
