"""Work on the host in blocks, one thread a core: NumPy lets go of the interpreter while it sorts."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_blocks(work: Callable[[slice], None], rows: int, block: int) -> None:
    """Calls `work` on slices of at most `block` rows, in threads; raises what any of them raises."""
    slices = [slice(start, min(start + block, rows)) for start in range(0, rows, max(block, 1))]
    if len(slices) == 1:
        work(slices[0])
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, slices))
