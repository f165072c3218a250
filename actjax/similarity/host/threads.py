"""Work on the host in blocks, one thread a core: NumPy lets go of the interpreter while it sorts."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_blocks(work: Callable[[slice], None], rows: int, *, of: int, most: int) -> None:
    """Calls `work` on slices of rows, in threads; raises what any of them raises.

    Args:
      work: is given slices that follow each other and together hold every row once.
      rows: how many there are.
      of: the elements of a row.
      most: elements of a slice; one row is taken at a time where a row alone has more.
    """
    block = at_least_one(most, of)
    slices = [slice(start, min(start + block, rows)) for start in range(0, rows, block)]
    if len(slices) == 1:
        work(slices[0])
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, slices))


def at_least_one(room: int, each: int) -> int:
    """How many things of size `each` fit into `room`, but one at least: the one rule for sizes of blocks."""
    return max(1, room // max(each, 1))
