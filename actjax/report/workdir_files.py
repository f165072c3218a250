"""What a report is made of, read from a workdir; only the scores must be there."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.report.summary import TRAINED
from actjax.scores.files import folder_of, tables_of
from actjax.statistics import controls
from actjax.types import LeftOut
from actjax.workdir import (
    benchmark_table,
    clip_activations,
    curve,
    evaluation_record,
    examples,
    findings_table,
    hypotheses_table,
    left_out,
    manifest,
    recorded_config,
    skipped,
)
from actjax.workdir.clip_activations import ClipActivations
from actjax.workdir.evaluation_record import Evaluation
from actjax.workdir.examples import Example
from actjax.workdir.skipped import Skipped

# The atlas's page, from the report's folder.
ATLAS = "atlas/index.html"


@dataclasses.dataclass(frozen=True)
class Material:
    """All that a report shows besides the scores; what a workdir lacks is empty.

    Attributes:
      evaluation: None where the network was not evaluated.
      curve: the lines of metrics.jsonl.
      skipped: recordings that are not in the data set; None where the data stage left no record here.
      left_out: comparisons that were not made.
      examples: maps beside features.
      config: the options that each stage ran with.
      selectivity: layer -> [n] the share of a neuron's variance between clips that lies between classes.
      changing: layer -> [n] on how many clips a neuron leaves its usual value; None where nobody looked.
      stages: stage -> what it took, as `costs.Cost.as_json` says.
      atlas: whether there is one beside the page.
      command: what made the report.
    """

    evaluation: Evaluation | None = None
    curve: Sequence[Mapping[str, Any]] = ()
    skipped: Sequence[Skipped] | None = None
    left_out: Sequence[LeftOut] = ()
    examples: Sequence[Example] = ()
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    selectivity: Mapping[str, np.ndarray] | None = None
    changing: Mapping[str, np.ndarray] | None = None
    stages: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    atlas: bool = False
    command: str = ""


def paths_read(workdir: Path) -> list[Path]:
    """The files that a report is made of, there or not; score sets in the order in which their rows stand."""
    tables, scores = tables_of(workdir), folder_of(workdir)
    names = (curve.NAME, skipped.NAME, recorded_config.NAME)
    return [
        *tables,
        *examples.paths_of(scores),
        *map(left_out.path_of, tables),
        *(workdir / name for name in names),
        clip_activations.path_of(workdir),
        evaluation_record.path_of(workdir),
        findings_table.path_of(workdir),
        hypotheses_table.path_of(workdir),
        benchmark_table.path_of(workdir, "calibration"),
    ]


def read_material(workdir: Path, shown: Sequence[Example] | None = None, command: str = "") -> Material:
    """Reads a workdir; `shown` stands in for its examples.

    Raises:
      FileError: a file that is there but not as its writer makes it.
    """
    scores, activations = folder_of(workdir), clip_activations.read(workdir)
    return Material(
        evaluation=evaluation_record.read(workdir),
        curve=curve.read(workdir),
        skipped=skipped.read(workdir),
        left_out=left_out.read(scores),
        examples=examples.read(scores) if shown is None else shown,
        config=recorded_config.read(workdir),
        selectivity=None if activations is None else selectivity(activations),
        changing=None if activations is None else activations.changing(_main(activations)),
        stages=costs_of_stages(workdir),
        atlas=(workdir / "report" / ATLAS).exists(),
        command=command,
    )


def costs_of_stages(workdir: Path) -> dict[str, dict[str, Any]]:
    """The costs in the manifest, in the order of the stages; those that are not as they are written aside.

    The report's cost is not among them: it is known when the page is there, which would be another with it.
    """
    stages = manifest.read(workdir).get("stages")
    there = stages if isinstance(stages, dict) else {}
    ordered = dict.fromkeys((*recorded_config.STAGES, *sorted(there)))
    ordered.pop("report", None)
    return {stage: there[stage] for stage in ordered if isinstance(there.get(stage), dict)}


def selectivity(activations: ClipActivations) -> dict[str, np.ndarray]:
    """Layer -> [n] the share of each neuron's variance between clips that lies between classes."""
    if activations.labels.ndim != 1:
        return {}
    of_main = activations.means.get(_main(activations), {})
    return {layer: controls.eta_squared(means_bn, activations.labels) for layer, means_bn in of_main.items()}


def _main(activations: ClipActivations) -> str:
    """The trained network; of activations made elsewhere the only one."""
    return TRAINED if TRAINED in activations.means else next(iter(activations.means), TRAINED)
