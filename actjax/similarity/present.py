"""Values that are missing from one column and not from another: columns of one pattern are scored together.

A pair is scored on the observations that both of its sides have, so a program of one mask is run for every
pattern of the neurons with every pattern of the features.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

Array = np.ndarray | jax.Array
# Some columns of an array: all of them as a slice, which copies nothing, or their places.
Columns = slice | np.ndarray


class Pattern(NamedTuple):
    """Columns that lack the same observations.

    Attributes:
      columns: which.
      present: [o, ...] bool, what they have; None where nothing is missing.
    """

    columns: Columns
    present: np.ndarray | None


def by_pattern(
    score: Callable[[Pattern, Pattern], Mapping[str, Array]],
    x_present: np.ndarray | None,
    y_present: np.ndarray | None,
) -> Mapping[str, Array]:
    """The outputs of all pairs, pattern by pattern.

    Args:
      score: (some neurons, some features) -> {output: [neurons, features]}; an output of one column stands
        for all features.
      x_present: [o, n, ...] bool, or None where nothing is missing.
      y_present: [o, k, ...] bool, or None.

    Returns:
      {output: [n, k]}.
    """
    of_x, of_y = list(_patterns(x_present)), list(_patterns(y_present))
    blocks = [[score(x, y) for y in of_y] for x in of_x]
    if len(of_x) == len(of_y) == 1:
        return blocks[0][0]

    def assembled(name: str) -> np.ndarray:
        lines = [_joined([np.asarray(block[name]) for block in line], of_y, 1) for line in blocks]
        return _joined(lines, of_x, 0)

    return {name: assembled(name) for name in blocks[0][0]}


def _patterns(present: np.ndarray | None) -> Iterator[Pattern]:
    if present is None or present.all():
        yield Pattern(slice(None), None)
        return
    columns = np.moveaxis(present, 1, 0).reshape(present.shape[1], -1)
    bits = np.packbits(columns, axis=1)
    places: dict[bytes, list[int]] = {}
    for place, row in enumerate(bits):
        places.setdefault(row.tobytes(), []).append(place)
    for same in places.values():
        shared = present[:, same[0]]
        whole = len(places) == 1
        yield Pattern(slice(None) if whole else np.asarray(same), None if shared.all() else shared)


def _joined(blocks: list[np.ndarray], patterns: list[Pattern], axis: int) -> np.ndarray:
    """One array from blocks whose items lie anywhere along the axis."""
    if len(blocks) == 1:
        return blocks[0]
    places = np.concatenate([np.atleast_1d(np.asarray(pattern.columns)) for pattern in patterns])
    return np.take(np.concatenate(blocks, axis), np.argsort(places), axis)
