"""Clips that stay on the devices: read once, and gathered there into the batches of a plan."""

import concurrent.futures
import os
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import capacity, parallel
from actjax.data.plan import Plan, Rows
from actjax.data.source import Source, fill
from actjax.types import Batch

# Of a device's memory, for all clips that stay there; the network and its steps need the other part.
SHARE = 0.25


class Clips(NamedTuple):
    """All clips of a source as they are stored.

    Attributes:
      audio: [n, s] int16, or float32 in -1 .. 1.
      length: [n] int32 samples of signal.
      label: [n] int32, or [n, classes] float32 (multi-hot).
    """

    audio: np.ndarray | jax.Array
    length: np.ndarray | jax.Array
    label: np.ndarray | jax.Array


def room_bytes() -> int:
    """How much audio may stay on each device: a share of its memory and of the machine's.

    The same number in every process of a run.
    """
    known = [size for size in (capacity.device_bytes(), capacity.machine_bytes()) if size is not None]
    return int(min(parallel.gather_hosts(np.int64(SHARE * min(known, default=0)))))


def audio_bytes(source: Source) -> int:
    """What the audio of all clips takes where it stays."""
    return len(source) * source.clip_samples * _stored_type(source).itemsize


def read(source: Source) -> Clips:
    """All clips of a source on the host, each cut or padded as in the loader's batches.

    Raises:
      FileError: a clip is damaged.
      ValueError: some clips are stored as integers and others are not.
    """
    audio = np.zeros((len(source), source.clip_samples), _stored_type(source))
    length = np.zeros(len(source), np.int32)

    def read_clip(clip: int) -> None:
        wave = np.asarray(source.reader[clip]["audio"])
        if audio.dtype == np.int16 != wave.dtype:
            raise ValueError(f"expected int16 audio as in the first clip, clip {clip} has {wave.dtype}")
        length[clip] = fill(audio[clip], wave)

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for _ in threads.map(read_clip, range(len(source))):
            pass
    if source.lengths is not None:
        length = np.minimum(length, source.lengths).astype(np.int32)
    return Clips(audio, length, source.labels.astype(np.float32 if source.multi_label else np.int32))


def gather(clips: Clips, rows: Rows) -> Batch:
    """The clips of `rows` as the batch that the loader gives for them, equal bit by bit; on a device."""
    index, mask = jnp.asarray(rows.index), jnp.asarray(rows.mask)
    audio = jnp.asarray(clips.audio)[index]
    if audio.dtype == jnp.int16:
        audio = audio.astype(jnp.float32) / 32768.0
    label = jnp.asarray(clips.label)[index]

    def where_real(rows: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *(1,) * (rows.ndim - 1)), rows, 0)

    return Batch(
        audio=where_real(audio),
        mask=mask,
        length=jnp.where(mask, jnp.asarray(clips.length)[index], 0),
        label=where_real(label),
        index=index,
    )


def rows(plan: Plan, start_step: int = 0) -> Iterator[Rows]:
    """The rows of each step of a plan from `start_step` on."""
    return (plan[step] for step in range(start_step, len(plan)))


def _stored_type(source: Source) -> np.dtype:
    """int16 where clips are stored so, else float32."""
    audio = np.asarray(source.reader[0]["audio"])
    return np.dtype(np.int16 if audio.dtype == np.int16 else np.float32)
