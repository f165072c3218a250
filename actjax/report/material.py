"""What a report is made of, read from a workdir; only the scores must be there.

| file | content |
|---|---|
| scores/*.parquet | the scores (see `actjax.report.scores`) |
| scores/examples.npz | pairs to show as pictures, below |
| evaluation.json | {"accuracy", "loss", "class_names", "confusion"}; confusion[true][predicted] |
| metrics.jsonl | one object a line: {"step", "split", "loss", "accuracy"} |
| skipped.json | list of {"clip", "reason"} |
| config.json | the config |

examples.npz holds three arrays for each pair i = 0, 1, ...:

    <i>_map      [f, t] the activation map, on the grid where it was compared
    <i>_feature  [rows, t] the feature matrix on the same grid
    <i>_json     a 0-d string array, JSON with
        network, layer, neuron, feature, metric, clip_id
        score              over all clips, as in the table
        times_s            [t] the centres of the frames, seconds
        map_hz             [f] centre frequencies of the map's rows, or null
        feature_hz         [rows] of the feature's, or null
        row_names          [rows] names where the rows are no frequencies, or null
        unit               of the feature's values (optional)

Pairs of one feature, metric and clip stand in one line of pictures, one column for each network.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class ReportError(ValueError):
    """A file of the workdir that cannot be shown; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One pair to show: an activation map beside the feature matrix, and what is known of them."""

    map: np.ndarray
    feature: np.ndarray
    about: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Material:
    """All that a report shows besides the scores; what a workdir lacks is empty.

    Attributes:
      evaluation: None where the network was not evaluated.
      curve: the lines of metrics.jsonl.
      skipped: [(clip, reason)].
      examples: [Example].
      config: the nested config.
    """

    evaluation: Mapping[str, Any] | None
    curve: list[dict[str, Any]]
    skipped: list[tuple[str, str]]
    examples: list[Example]
    config: Mapping[str, Any]


def read_material(workdir: Path, examples: Mapping[str, np.ndarray] | None = None) -> Material:
    """Reads a workdir; `examples` stands in for scores/examples.npz, in its format.

    Raises:
      ReportError: a file that is there but not as this module describes it.
    """
    evaluation = _json(workdir / "evaluation.json", None)
    if evaluation is not None:
        _check_evaluation(evaluation, workdir / "evaluation.json")
    archive = workdir / "scores" / "examples.npz"
    if examples is None and archive.is_file():
        with np.load(archive, allow_pickle=False) as file:
            examples = dict(file)
    skipped = _json(workdir / "skipped.json", [])
    return Material(
        evaluation=evaluation,
        curve=_curve(workdir / "metrics.jsonl"),
        skipped=[(str(item["clip"]), str(item["reason"])) for item in skipped],
        examples=_examples(examples or {}),
        config=_json(workdir / "config.json", {}),
    )


def _json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"{path} is no JSON ({error}); delete it and run its stage again") from None


def quality(evaluation: Mapping[str, Any]) -> tuple[float, str, str]:
    """(how well the network does, what that figure is, on what): F1 where clips have several labels."""
    for row in evaluation.get("f1", ()):
        if row["threshold"] == 0.5:
            name = f"micro F1 (macro {row['macro'][2]:.3f})"
            return row["micro"][2], name, f"{row['excerpts']:,} held-out excerpts"
    clips = evaluation.get("clips", int(np.sum(evaluation["confusion"])))
    return evaluation["accuracy"], "accuracy", f"{clips:,} held-out clips"


def _check_evaluation(evaluation: Mapping[str, Any], path: Path) -> None:
    missing = {"accuracy", "class_names", "confusion"} - set(evaluation)
    if missing:
        raise ReportError(f"{path} lacks {', '.join(sorted(missing))}; run --stage=train again")
    classes, shape = len(evaluation["class_names"]), np.shape(evaluation["confusion"])
    if shape != (classes, classes):
        raise ReportError(f"{path}: expected a confusion of {classes} x {classes} classes, got shape {shape}")


def _curve(path: Path) -> list[dict[str, Any]]:
    """The lines that hold a step and a split; a last line cut short by an interruption is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            if number < len(lines):
                raise ReportError(f"{path} line {number} is no JSON; delete that line") from None
            continue
        if "step" in entry and "split" in entry:
            entries.append(entry)
    return entries


def _examples(arrays: Mapping[str, np.ndarray]) -> list[Example]:
    found = []
    for name in sorted((n for n in arrays if n.endswith("_json")), key=lambda n: int(n.split("_")[0])):
        item = name.split("_")[0]
        about = json.loads(str(arrays[name]))
        missing = {"network", "layer", "neuron", "feature", "metric", "score", "clip_id", "times_s"} - set(
            about
        )
        missing |= {key for key in (f"{item}_map", f"{item}_feature") if key not in arrays}
        if missing:
            raise ReportError(f"example {item} lacks {', '.join(sorted(missing))}; run --stage=score again")
        example = Example(np.asarray(arrays[f"{item}_map"]), np.asarray(arrays[f"{item}_feature"]), about)
        frames = {example.map.shape[-1], example.feature.shape[-1], len(about["times_s"])}
        if len(frames) > 1:
            raise ReportError(
                f"example {item}: map, feature and times_s must have equally many frames; got {frames}"
            )
        found.append(example)
    return found
