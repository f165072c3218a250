"""Draw the trials of the benchmark, and score and judge every metric in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from actjax.benchmark.metrics import judging, rendered
from actjax.benchmark.metrics import plants as metrics_plants
from actjax.benchmark.metrics import trials as metrics_trials
from actjax.benchmark.metrics.units import JudgedUnits
from actjax.types import Metric
from actjax.workdir.sections import Arrays, Sections

# The contest of networks' units, which has no truth.
_UNITS = "units"


class Sizes(NamedTuple):
    """How much is drawn; see `benchmark`."""

    clips: int
    map_clips: int
    plants: int
    distorted: int
    negatives: int
    sanity_inputs: int
    sanity_seeds: int
    dose_clips: int


class Results(NamedTuple):
    """Rows by part; see `benchmark`."""

    leaderboard: list[dict[str, Any]]
    sanity: list[dict[str, Any]]
    plants: list[dict[str, Any]]
    negatives: list[dict[str, Any]]
    causal: list[dict[str, Any]]
    dose_response: list[dict[str, Any]]
    clips: list[dict[str, Any]]
    absent: list[dict[str, Any]]
    seed: list[dict[str, Any]]


def draw_trials(
    rng: np.random.Generator,
    material: rendered.Material,
    sizes: Sizes,
    units: JudgedUnits | None,
    planted: bool,
) -> list[metrics_trials.Trial]:
    """The trials of clips and, where plants are judged, of frames and maps."""
    definition = metrics_plants.DEFINITION
    calibration = rendered.measure(
        rendered.render(definition["calibration_seed"], range(definition["calibration_clips"]), definition),
        definition,
    )
    of_rows = metrics_plants.clusters(calibration.rows_bkt[:, :, None], definition["cluster_at"])
    of_images = metrics_plants.clusters(calibration.images_bjft, definition["cluster_at"])
    counts = metrics_trials.Counts(sizes.plants, sizes.distorted, sizes.negatives)
    network_units = None if units is None else metrics_trials.NetworkUnits(units.scored_bn, units.targets_bk)
    trials = [metrics_trials.of_clips(rng, material, of_rows, counts, network_units)]
    if planted:
        fewer = material._replace(
            rows_bkt=material.rows_bkt[: sizes.map_clips],
            images_bjft=material.images_bjft[: sizes.map_clips],
            bands_bft=material.bands_bft[: sizes.map_clips],
            label_b=material.label_b[: sizes.map_clips],
        )
        half = metrics_trials.Counts(*(max(1, count // 2) for count in counts))
        trials.append(metrics_trials.of_frames(rng, material, of_rows, counts))
        trials.append(metrics_trials.of_maps(rng, fewer, of_images, half))
    return trials


class JudgedTrials:
    """What metrics and anchors make of one trial after the other.

    Attributes:
      planted: whether planted neurons are judged.
      judged: (entry, contest) -> what its scores are worth.
      effects: entry -> how well its scores predict effects.
    """

    def __init__(self, planted: bool, rng: np.random.Generator, results: Results, sections: Sections):
        self.planted = planted
        self.judged: dict[tuple[str, str], judging.Judged] = {}
        self.effects: dict[str, np.ndarray] = {}
        self._rng, self._results, self._sections = rng, results, sections

    def score(
        self, trial: metrics_trials.Trial, entries: Mapping[str, Metric], units: JudgedUnits | None
    ) -> None:
        """Adds what every metric and anchor makes of a trial."""
        for label, metric in tqdm(entries.items(), desc=trial.name, unit="metric", disable=None):
            scored = self._scored(trial, label, metric)
            if isinstance(scored, str):
                absent = {"comparison": trial.name, "metric": label, "why": scored}
                self._results.absent.append(absent)
                continue
            for contest, neurons, candidates in trial.contests:
                strength_nk = scored.strength_nk[neurons, candidates]
                if contest.name == _UNITS:
                    assert units is not None, "a trial has units where they are judged"
                    effect = units.judge(label, metric.order, strength_nk, self._results.causal)
                    self.effects[label] = effect
                elif self.planted:
                    judged = judging.judge(strength_nk, contest)
                    self.judged[label, contest.name] = judged
                    self._add_rows(label, contest.name, judged, scored)
        for contest, _, _ in trial.contests:
            if self.planted and contest.name != _UNITS:
                for label, strength_nk in judging.anchors(contest, self._rng).items():
                    self.judged[label, contest.name] = judging.judge(strength_nk, contest)

    def _scored(self, trial: metrics_trials.Trial, label: str, metric: Metric) -> metrics_trials.Scored | str:
        """What a metric makes of a trial, or why it takes no part; what was scored before is not again."""

        def compute() -> tuple[Arrays, dict[str, Any]]:
            scored = metrics_trials.run(trial, metric)
            if isinstance(scored, str):
                return {}, {"why": scored}
            numbers = scored._asdict()
            return {"strength_nk": numbers.pop("strength_nk")}, numbers

        arrays, numbers = self._sections.arrays(f"{trial.name} {label}", compute)
        return numbers["why"] if "why" in numbers else metrics_trials.Scored(**arrays, **numbers)

    def _add_rows(
        self, label: str, contest: str, judged: judging.Judged, scored: metrics_trials.Scored
    ) -> None:
        """Rows of the plants by kind and SNR, and of the negatives."""
        cost = {"seconds": scored.seconds, "peak_mib": scored.peak_mib, "undefined": scored.undefined}
        head = {"metric": label, "comparison": contest}
        for kind, snr in sorted(set(zip(judged.kind_p.tolist(), judged.snr_p.tolist(), strict=True))):
            recall, reciprocal, count = judging.recall_at(judged, kind, snr)
            worth = {"recall": recall, "reciprocal_rank": reciprocal, "plants": count}
            self._results.plants.append(head | {"kind": kind, "snr_db": snr} | worth | cost)
        self._results.negatives.extend(head | row for row in judging.aurocs(judged))
