"""Lays out a score run from shapes alone: which networks, layers, features and metrics meet."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actjax import options
from actjax import run as runs
from actjax.activations import capture
from actjax.activations.comparisons import LeftOut
from actjax.activations.comparisons import plan as plan_comparisons
from actjax.scoring import from_elsewhere, nulls, tasks
from actjax.scoring import networks as scoring_networks


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything a score run will do.

    Attributes:
      families: networks and their comparisons.
      features: the features, in order.
      left_out: comparisons that cannot be made, and why.
    """

    families: tuple[tuple[capture.Family, tuple[tasks.Comparison, ...]], ...]
    features: tuple[Any, ...]
    left_out: tuple[LeftOut, ...]


def plan(
    run: runs.Run,
    clip_samples: int,
    classes: int,
    features: Sequence[Any],
    weights: Mapping[str, Any],
    elsewhere: Any = None,
    clips: int = 1,
) -> Plan:
    """Lays out all comparisons from shapes alone.

    Args:
      run: the run.
      clip_samples, classes: of the data set.
      features: the run's.
      weights: network -> its variables; None for each where nothing is to be computed.
      elsewhere: activations made elsewhere, or None.
      clips: how many there are; a metric that does not take so many observations is refused.
    """
    config, front = run.config, runs.frontend(run.config)
    metrics = runs.metrics(config)
    shape = runs.image_shape(front, clip_samples)
    setting = tasks.setting(config, front, clip_samples, metrics)
    families, reasons = [], []

    def add(family):
        tile_bytes = int(config.score.memory_gib * 2**30 / 4)
        tested = functools.partial(nulls.is_tested, config)
        comparisons = [
            tasks.compare(p, metrics, config.score.part, tile_bytes, tested, clips) for p in family.problems
        ]
        families.append((family, tuple(tasks.share_programs(comparisons))))

    if weights:
        made, out = plan_comparisons(scoring_networks.layers(run, classes, shape), features, setting)
        reasons += out
        variables = capture.stack(list(weights.values()))
        add(capture.Family(tuple(weights), scoring_networks.apply(run, classes), variables, tuple(made)))
    if elsewhere is not None:
        family, out = from_elsewhere.family(elsewhere, features, setting)
        reasons += out
        add(family)
    if "input" in options.comma_list(config.score.networks):
        bands, image = capture.input_layers(shape)
        series = frozenset(w for w in setting.wants if w[0] != "map")
        made = plan_comparisons([bands], features, dataclasses.replace(setting, wants=series))[0]
        made += plan_comparisons(
            [image], features, dataclasses.replace(setting, wants=setting.wants - series)
        )[0]
        nothing = {"none": np.zeros((1, 1), np.float32)}
        add(capture.Family(("input",), capture.input_outputs, nothing, tuple(made)))
    return Plan(tuple(families), tuple(features), tuple(reasons))
