"""Values that are missing from one column and not from another: columns of one pattern are scored together.

A pair is scored on the observations that both of its sides have, so a program of one mask is run for every
pattern of the neurons with every pattern of the features.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# Some columns of an array: all of them as a slice, which copies nothing, or their places.
Columns = slice | np.ndarray


def by_pattern(
    one: Callable[[Columns, Columns, Any, Any], dict[str, Any]], x_present: Any, y_present: Any
) -> dict[str, np.ndarray]:
    """The outputs of all pairs, pattern by pattern.

    Args:
      one: (neurons, columns of the features, [o, ...] what those neurons have or None, the same of the
        features) -> {output: [neurons, columns]}; an output of one column stands for all columns.
      x_present: [o, n, ...] bool, or None where nothing is missing.
      y_present: [o, k, ...] bool, or None.

    Returns:
      {output: [n, k]}.
    """
    rows = list(_patterns(x_present))
    columns = list(_patterns(y_present))
    parts = [[one(x, y, of_x, of_y) for y, of_y in columns] for x, of_x in rows]
    if len(rows) == len(columns) == 1:
        return parts[0][0]
    return {
        name: _assembled(
            [[part[name] for part in line] for line in parts], [x for x, _ in rows], [y for y, _ in columns]
        )
        for name in parts[0][0]
    }


def _patterns(present: Any) -> Iterator[tuple[Columns, Any]]:
    if present is None or present.all():
        yield slice(None), None
        return
    columns = np.moveaxis(present, 1, 0).reshape(present.shape[1], -1)
    bits = np.packbits(columns, axis=1)
    places: dict[bytes, list[int]] = {}
    for place, row in enumerate(bits):
        places.setdefault(row.tobytes(), []).append(place)
    for same in places.values():
        shared = present[:, same[0]]
        whole = len(places) == 1
        yield slice(None) if whole else np.asarray(same), None if shared.all() else shared


def _assembled(parts: list[list[Any]], rows: list[Columns], columns: list[Columns]) -> np.ndarray:
    """One array from blocks that lie at any rows and columns."""
    lines = [_joined(line, columns, 1) for line in parts]
    return _joined(lines, rows, 0)


def _joined(parts: list[Any], places: list[Columns], axis: int) -> Any:
    if len(places) == 1:
        return parts[0]
    joined = np.concatenate(parts, axis)
    return np.take(joined, np.argsort(np.concatenate(places)), axis)
