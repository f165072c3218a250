"""Pictures and sounds of the atlas: palette PNG and Ogg Vorbis.

They are written in place and not flushed one by one, thousands as they are: the folder is made anew each
time, and its page comes last.
"""

import collections
import concurrent.futures
import functools
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actjax.atlas_site.coded import levels

# Written at a time: libsndfile's Vorbis encoder takes as much stack as it is given samples.
BLOCK = 2**14
# Writers at once, at most: encoders of sounds and pictures run beside Python, what calls them does not.
_MOST_WRITERS = 8


class Writers:
    """Writes files in threads, a few at a time; at its end all are written, or the first error is raised."""

    def __init__(self) -> None:
        """None yet."""
        threads = min(_MOST_WRITERS, os.cpu_count() or 1)
        self._pool = concurrent.futures.ThreadPoolExecutor(threads)
        # What waits holds its clip in memory.
        self._started: collections.deque[concurrent.futures.Future[Any]] = collections.deque()
        self._most = 2 * threads

    def start(self, write: Callable[..., Any], *arguments: Any) -> None:
        """Writes soon; waits where many are still being written."""
        self._started.append(self._pool.submit(write, *arguments))
        while len(self._started) > self._most:
            self._started.popleft().result()

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._pool:
            for one in self._started:
                if kind is not None:
                    one.cancel()
                else:
                    one.result()


@functools.cache
def palette() -> bytes:
    """256 colours of magma, from black to pale yellow."""
    from matplotlib import colormaps

    return (colormaps["magma"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8).tobytes()


def png(levels_hw: np.ndarray) -> bytes:
    """An image of bytes [height, width], the first row on top, in the colours of `palette`."""
    height, width = levels_hw.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), levels_hw.astype(np.uint8)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_image(path: Path, image_ft: np.ndarray) -> Path:
    """A spectrogram or map, low frequencies at the bottom, from its least to its largest value."""
    return write_stack(path, [image_ft])


def write_stack(path: Path, images_ft: list[np.ndarray]) -> Path:
    """Images of one shape one below the other, on one scale, so that their brightness may be compared."""
    stacked = np.concatenate([image[::-1] for image in images_ft])
    low, high = float(stacked.min()), float(stacked.max())
    return _write(path, png(levels(stacked, low, high)))


def write_sound(path: Path, wave_s: np.ndarray, sample_rate_hz: int) -> Path:
    """A clip as it was recorded, its level too; what exceeds full scale is clipped."""
    import soundfile

    out = {"samplerate": sample_rate_hz, "channels": 1, "format": "OGG", "subtype": "VORBIS"}
    with soundfile.SoundFile(path, "w", **out) as file:
        for start in range(0, len(wave_s), BLOCK):
            file.write(np.clip(wave_s[start : start + BLOCK], -1.0, 1.0))
    return path


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
