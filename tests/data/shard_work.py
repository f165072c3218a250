"""Work for the shards' tests, in a module that worker processes import fast."""

import numpy as np

from actjax.data.build.shards import BadAudio


def double(item):
    if item < 0:
        raise BadAudio("negative")
    return [{"value": np.full(3, 2 * item), "name": f"n{item}"}]


def fail(item):
    raise RuntimeError(f"cannot do {item}")
