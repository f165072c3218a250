"""Lays out a score run from shapes alone: which networks, layers, features and metrics meet."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actjax.activations import capture
from actjax.activations.comparisons import Setting
from actjax.activations.comparisons import plan as plan_comparisons
from actjax.external.layers import Activations
from actjax.scoring import from_elsewhere, nulls, stacks, tasks
from actjax.scoring.networks import Network
from actjax.setup import Setup, band_centres_hz
from actjax.types import Feature, LeftOut


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything a score run will do.

    Attributes:
      families: networks and their comparisons.
      stacks: those of the comparisons that stream, by the programs that score them.
      features: the features, in order.
      left_out: comparisons that cannot be made, and why.
    """

    families: tuple[tuple[capture.Family, tuple[tasks.Comparison, ...]], ...]
    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    stacks: tuple[stacks.Stack, ...]


def plan(
    setup: Setup,
    features: Sequence[Feature],
    network: Network | None,
    weights: Mapping[str, Any],
    elsewhere: Activations | None = None,
    clips: int = 1,
) -> Plan:
    """Lays out all comparisons from shapes alone.

    Args:
      setup: the run's.
      features: the run's, those known of its clips among them.
      network: the run's own, or None where it scores none.
      weights: name -> its variables; None for each where nothing is to be computed.
      elsewhere: activations made elsewhere, or None.
      clips: how many there are; a metric that does not take so many observations is refused.
    """
    setting, metrics = tasks.setting(setup), [chosen.metric for chosen in setup.metrics]
    families, reasons = [], []

    def add(family: capture.Family) -> None:
        tile_bytes = setup.scored.memory_bytes // 4
        tested = functools.partial(nulls.is_tested, setup.scored.null)
        comparisons = [
            tasks.compare(p, metrics, setup.scored.part, tile_bytes, tested, clips) for p in family.problems
        ]
        families.append((family, tuple(comparisons)))

    if network is not None:
        problems, left_out = plan_comparisons(network.layers(), features, setting)
        reasons += left_out
        outputs = capture.network_outputs(network.module)
        add(capture.Family(tuple(weights), outputs, capture.stack(list(weights.values())), tuple(problems)))
    if elsewhere is not None:
        family, left_out = from_elsewhere.family(elsewhere, features, setting)
        reasons += left_out
        add(family)
    if "input" in setup.scored.networks:
        add(_input_family(features, setting, setup))
    sizes = [(len(family.networks), comparisons) for family, comparisons in families]
    laid_out = stacks.lay_out(sizes, clips=clips, batch_size=setup.scored.batch_size)
    return Plan(tuple(families), tuple(features), tuple(reasons), laid_out)


def _input_family(features: Sequence[Feature], setting: Setting, setup: Setup) -> capture.Family:
    """Makes the log-mel image a network of its own: its bands as series, all of it as one map."""
    bands, image = capture.input_layers(setup.analysis_shape_ft)
    hz = band_centres_hz(setup.analysis)
    setting = dataclasses.replace(setting, frontend=setup.analysis, band_centres_hz=hz)
    series = frozenset(want for want in setting.wants if want[0] != "map")
    problems = []
    for layer, wants in ((bands, series), (image, setting.wants - series)):
        problems += plan_comparisons([layer], features, dataclasses.replace(setting, wants=wants))[0]
    nothing = {"none": np.zeros((1, 1), np.float32)}
    return capture.Family(("input",), capture.input_outputs, nothing, tuple(problems), setup.analysis)
