"""Memory of a streaming score does not grow with the number of clips."""

import pytest
from launching import finish, start

PROGRAM = """
import resource, sys
import jax, numpy as np
from actjax.similarity.api import make_metric
from actjax.similarity.store import ObservationStore
from actjax.similarity.stream import PairStream
from actjax.similarity.streaming import run_stream
from actjax.types import Context

clips, b, o, n, k, tile_bytes = int(sys.argv[1]), 50, 40, 256, 64, 8 * 2**20
rng = np.random.default_rng(0)

def batches(store):
    for start in range(0, clips, b):
        x = rng.standard_normal((b, o, n), dtype=np.float32)
        store.append(x.reshape(-1, n))
        ids = np.broadcast_to(np.arange(start, start + b, dtype=np.int32)[:, None], (b, o))
        yield x, x[..., :k] + 1, np.ones((b, o), bool), np.ones(b, bool), Context(clip_ids_o=ids)

stream = PairStream(tuple(make_metric(name) for name in ("pearson", "cosine", "spearman")), n, k)
with ObservationStore(sys.argv[2], n, block_bytes=tile_bytes) as store:
    found = run_stream(stream, batches(store), jax.random.key(0))
    assert all(abs(np.diagonal(found[m]["score"]) - 1).max() < 1e-5 for m in ("pearson", "spearman"))
    step = max(1, tile_bytes // (4 * store.rows))
    for start in range(0, n, step):
        assert np.isfinite(store.read(start, min(start + step, n))).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.long
def test_peak_memory_of_ten_times_the_clips_is_the_same(tmp_path):
    def peak(clips):
        process = start(str(clips), tmp_path / f"{clips}", program=["-c", PROGRAM], XLA_FLAGS="")
        return int(finish(process)[0].split()[-1])

    few, many = peak(2_000), peak(20_000)
    print(f"peak KiB: {few} with 2,000 clips, {many} with 20,000")
    assert many <= 1.1 * few, (few, many)
