"""Images of the clips that stay on a CPU, made once and not in every step that takes a clip."""

import functools

import jax
import numpy as np

from actjax import parallel
from actjax.data import resident
from actjax.data.plan import Rows
from actjax.nn.frontend import images
from actjax.train.supply import Supply
from actjax.types import Frontend

# Clips that one call of a device makes images of.
AT_ONCE = 32


def imaged(source: Supply, frontend: Frontend) -> Supply:
    """The same supply, whose batches hold images [b, f, t] in place of waves, where that gains something.

    The quickstart takes each training clip fifteen times, and a clip's image is a seventh of its step's work
    on a CPU. On an accelerator it is next to none. Batches that come from the host, networks of the raw wave,
    and images beyond the memory that clips may take (see data/resident.py) stay as they are.
    """
    clips = source.on_device
    if not parallel.on_cpu() or not isinstance(clips, resident.Clips) or frontend.takes != "image":
        return source
    count, samples = clips.audio.shape[1:]
    wave = jax.ShapeDtypeStruct((1, samples), np.float32)
    shape = jax.eval_shape(functools.partial(images, frontend=frontend), wave).shape[1:]
    if 4 * count * shape[0] * shape[1] > resident.room_bytes():
        return source
    held = parallel.hold(_images(clips, frontend, np.empty((count, *shape), np.float32)))
    return source._replace(on_device=clips._replace(audio=held))


def _images(clips: resident.Clips, frontend: Frontend, made_bft: np.ndarray) -> np.ndarray:
    """Fills in the images of all clips on the devices."""

    def of_rows(clips: resident.Clips, rows: Rows) -> jax.Array:
        batch = resident.gather(clips, rows)
        return images(batch.audio, frontend, batch.length)

    program, size = parallel.pmap(of_rows), AT_ONCE * parallel.local_device_count()
    for start in range(0, len(made_bft), size):
        index = np.arange(start, start + size, dtype=np.int32)
        mask = index < len(made_bft)
        rows = parallel.shard(Rows(np.where(mask, index, 0).astype(np.int32), mask))
        made_bft[start : start + size] = parallel.unshard(program(clips, rows))[mask]
    return made_bft
