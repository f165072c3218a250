"""Draws what all networks of a run's findings share: halves, bootstrap weights, rearranged recordings."""

from typing import NamedTuple

import numpy as np

from actjax.data import loader
from actjax.findings.cross_fitting import ridge, selection
from actjax.setup import FindingOptions
from actjax.statistics import bootstrap, permutations


class Setting(NamedTuple):
    """The same halves, weights and rearrangements for all networks.

    They depend on the data's seed alone, so that training seeds share them too.

    Attributes:
      halves: [s, 2, b] bool, the halves of the recordings.
      weights: [r, b] bootstrap weights of the clips.
      draws: rearrangements of the recordings.
      folds: [b] the fold of each clip in ridge regressions.
      class_b: [b] the class of each clip, or None for clips of several labels.
      seed: the data's seed.
    """

    halves: np.ndarray
    weights: np.ndarray
    draws: permutations.Draws
    folds: np.ndarray
    class_b: np.ndarray | None
    seed: int

    @property
    def every_half(self) -> np.ndarray:
        """[2 s + 1, b] all halves, and all clips last."""
        clips = self.halves.shape[2]
        return np.concatenate([self.halves.reshape(-1, clips), np.ones((1, clips), bool)])


def settings(options: FindingOptions, source: loader.Source) -> Setting:
    """Draws the shared halves, weights and rearrangements.

    Raises:
      StatisticsError: too few recordings or replicates; one line that says how many.
    """
    recordings, classes = source.recording_ids, None if source.multi_label else source.labels
    seed = options.data_seed
    drawn = {"replicates": options.replicates, "seed": seed, "level": 0.05 / 4}
    if classes is None:
        draws = permutations.unrestricted(recordings, **drawn)
    else:
        names = source.class_names
        draws = permutations.within_class(recordings, classes.tolist(), class_names=names, **drawn)
    halves = selection.split_halves(recordings, classes, splits=options.splits, seed=seed)
    weights = bootstrap.poisson_weights(recordings, replicates=options.bootstrap, seed=seed)
    folds = ridge.recording_folds(recordings, seed=seed)
    return Setting(halves, weights, draws, folds, classes, seed)
