"""Ranks of both sides of a batch, made by the host between programs: none then has to call it."""

import jax
import numpy as np

from actjax import parallel
from actjax.similarity.host.ranks import COUNTING_LIMIT, host_twice_ranks
from actjax.similarity.stream import PairStream

# float32 holds twice these ranks.
_MOST = 1 << 23


def ranks_beforehand(stream: PairStream, observations: int) -> bool:
    """Whether the host is to rank the sides of a stream: on a CPU, where they are long."""
    return stream.ranks and parallel.on_cpu() and COUNTING_LIMIT < observations <= _MOST


def ranked_beforehand(
    x: jax.Array, y: jax.Array, valid: jax.Array, *, images: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Twice the ranks of every neuron and feature row in each clip, 0 where not valid, in the sides' shapes.

    Args:
      x: [d, networks, b, o, n] neurons, or [d, networks, b, n, f, t] images.
      y: [d, b, o, k] feature rows, or [d, b, k, f, t].
      valid: [d, b, o] bool, or [d, b, t].
      images: which of these they are.
    """
    counts = parallel.to_host(valid)
    return _ranked(parallel.to_host(x), counts[:, None], images), _ranked(parallel.to_host(y), counts, images)


def _ranked(side: np.ndarray, valid: np.ndarray, images: bool) -> np.ndarray:
    if not images:
        rows = np.moveaxis(side, -1, -2)
        return np.moveaxis(host_twice_ranks(rows, valid[..., None, :]), -1, -2).astype(np.float32)
    f, t = side.shape[-2:]
    cells = np.broadcast_to(valid[..., None, None, :], (*valid.shape[:-1], 1, f, t))
    twice = host_twice_ranks(
        side.reshape(*side.shape[:-2], f * t), cells.reshape(*valid.shape[:-1], 1, f * t)
    )
    return twice.reshape(side.shape).astype(np.float32)
