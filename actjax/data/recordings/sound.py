"""Decodes sound files block by block into mono sound at the rate of a data set.

The worker processes import this, so it imports no TFDS. However long a recording is, memory holds at most
HELD samples of it; a longer one is decoded once to measure it and once more to cut it.
"""

import dataclasses
import functools
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, cast

import numpy as np
import soundfile
import soxr

from actjax.data.build.shards import BadAudio
from actjax.data.recordings.prints import Prints
from actjax.files import printable

# Outside lies no recording of sound: below, a header is wrong; ultrasound is recorded at up to 500 kHz.
RATES_HZ = (1_000, 1_000_000)
MOST_HOURS = 100
BLOCK = 2**20  # samples of all channels that are decoded at a time
HELD = 2**25  # samples of all channels of a recording that is kept once decoded
SILENCE = 1e-4  # -80 dB of full scale: what departs less from its mean is silence
# Float files and lossy decoders go a little beyond full scale; far beyond it lies another scale.
MOST_PEAK = 2.0
# Below this share of its channels' level (-40 dB) a mix is what they do not cancel of each other.
CANCELLED = 1e-2

Blocks = Iterator[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A stretch of a file, decoded anew by each call of `blocks`.

    Attributes:
      rate_hz: of what comes out.
      blocks: () -> [n, channels] float32 blocks.
    """

    rate_hz: int
    blocks: Callable[[], Blocks]


@dataclasses.dataclass(frozen=True)
class Sound:
    """A recording's mono sound at the rate asked for.

    Attributes:
      samples: how many there are.
      blocks: () -> [n] float32 blocks.
      note: what was done to it beside mixing and resampling; "" for nothing.
      prints: of the samples before that, or None where they did not come from a file.
    """

    samples: int
    blocks: Callable[[], Blocks]
    note: str = ""
    prints: Prints | None = None

    def wave(self) -> np.ndarray:
        """[s] float32, all of it."""
        return np.concatenate([np.zeros(0, np.float32), *self.blocks()])


def open_sound(path: str, sample_rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> Sound:
    """The mono sound of a file or of a stretch of it: the mean of the channels, resampled.

    Where the channels cancel each other it is the loudest one; what goes beyond full scale is divided by its
    peak. Both are said in `note`.

    Raises:
      BadAudio: the file cannot be decoded to its end, or holds no sound, NaN, or samples on another scale.
    """
    return of_blocks(_decoded(path, sample_rate_hz, start_s, end_s), sample_rate_hz)


def of_blocks(decoded: Decoded, sample_rate_hz: int) -> Sound:
    """The mono sound of decoded blocks, as `open_sound`."""
    held, levels, samples, prints = [], Levels(), 0, Prints(decoded.rate_hz)
    resampled = _Resampler(decoded.rate_hz, sample_rate_hz)
    for block in decoded.blocks():
        levels.add(block)
        prints.add(_mean(block))
        if held is not None:
            held.append(block)
        if held is not None and levels.samples * block.shape[1] > HELD:
            for earlier in held:
                samples += len(resampled(_mean(earlier)))
            held = None
        elif held is None:
            samples += len(resampled(_mean(block)))
    channel, scale, note = levels.mixing()
    blocks = decoded.blocks if held is None else lambda: iter(held)

    def mono() -> Blocks:
        again = _Resampler(decoded.rate_hz, sample_rate_hz)
        for block in blocks():
            yield again((_mean(block) if channel is None else block[:, channel]) * np.float32(scale))
        yield again.remaining()

    if held is not None:
        wave = np.concatenate(list(mono()))
        return Sound(len(wave), lambda: iter([wave]), note, prints)
    return Sound(samples + len(resampled.remaining()), mono, note, prints)


class Levels:
    """Levels of a recording, measured block by block."""

    def __init__(self) -> None:
        self.samples, self.peak = 0, 0.0
        self.low, self.high = np.inf, -np.inf
        self.energy: np.ndarray | float = 0.0
        self.mixed = 0.0

    def add(self, block: np.ndarray) -> None:
        """Measures one block [n, channels]."""
        if not np.isfinite(block).all():
            raise BadAudio("holds NaN or infinite samples")
        if len(block) == 0:
            return
        self.samples += len(block)
        self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
        self.peak = max(self.high, -self.low)
        self.energy = self.energy + np.square(block, dtype=np.float64).sum(axis=0)
        self.mixed += float(np.square(_mean(block), dtype=np.float64).sum())

    def mixing(self) -> tuple[int | None, float, str]:
        """(channel, or None for the mean; factor; what to say of it).

        Raises:
          BadAudio: empty, silent, or on another scale.
        """
        if self.samples == 0:
            raise BadAudio("holds no samples")
        if (self.high - self.low) / 2 < SILENCE:
            raise BadAudio("silent: it stays within -80 dB of full scale of one value")
        if self.peak > MOST_PEAK:
            integers = "; it looks like 16-bit integers kept as floats: divide them by 32768"
            hint = integers if 100 < self.peak <= 2**15 else ""
            raise BadAudio(f"its samples reach {self.peak:.5g}, where full scale is 1{hint}")
        notes, channel = [], None
        if self.mixed < CANCELLED**2 * float(np.max(self.energy)):
            channel = int(np.argmax(self.energy))
            notes.append(f"its channels cancel each other: channel {channel + 1} alone is used")
        if self.peak > 1:
            notes.append(f"goes beyond full scale: divided by its peak {self.peak:.3f}")
        return channel, 1 / max(self.peak, 1.0), "; ".join(notes)


def resample(wave: np.ndarray, rate_hz: int, sample_rate_hz: int) -> np.ndarray:
    """[s] float32 at another rate, band-limited."""
    return wave if rate_hz == sample_rate_hz else soxr.resample(wave, rate_hz, sample_rate_hz, quality="HQ")


class _Resampler:
    """Resamples block by block; gives blocks back as they are where the rates are equal."""

    def __init__(self, rate_hz: int, sample_rate_hz: int):
        same = rate_hz == sample_rate_hz
        self._stream = None if same else soxr.ResampleStream(rate_hz, sample_rate_hz, 1, "float32", "HQ")

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        return wave if self._stream is None else self._stream.resample_chunk(wave)

    def remaining(self) -> np.ndarray:
        """The samples that are left after the last block."""
        nothing = np.zeros(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)


def _mean(block: np.ndarray) -> np.ndarray:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _decoded(path: str, sample_rate_hz: int, start_s: float, end_s: float | None) -> Decoded:
    """Decodes a file by soundfile, or else by ffmpeg."""
    _check_file(path)
    try:
        with _opened(path) as file:
            return _checked(path, file, start_s, end_s)
    except BadAudio:
        raise
    except Exception as error:  # what is no sound may raise anything
        if shutil.which("ffmpeg") is None:
            raise BadAudio(
                f"cannot be decoded ({_reason(path, error)}; ffmpeg, which may know it, is not installed)"
            ) from error
    return Decoded(sample_rate_hz, functools.partial(_ffmpeg_blocks, path, sample_rate_hz, start_s, end_s))


def _opened(path: str) -> soundfile.SoundFile:
    """The file by its name in bytes, which may be no text; soundfile's annotation leaves them out."""
    return soundfile.SoundFile(cast(str, os.fsencode(path)))


def _check_file(path: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        link = os.path.islink(path)
        raise BadAudio("a link to a file that is not there" if link else "missing") from error
    if not stat.S_ISREG(status.st_mode):
        raise BadAudio("no regular file, but a folder, pipe or device")
    if status.st_size == 0:
        raise BadAudio("empty")


def _checked(path: str, file: soundfile.SoundFile, start_s: float, end_s: float | None) -> Decoded:
    rate, low, high = file.samplerate, *RATES_HZ
    if not low <= rate <= high:
        raise BadAudio(f"its header says {rate} samples a second, expected {low:,} to {high:,}")
    most = MOST_HOURS * 3600 * rate
    # Files that were written as a stream do not say how long they are: what is read is then counted.
    stop = len(file) if end_s is None else min(round(end_s * rate), len(file))
    start = min(round(start_s * rate), stop)
    if start_s and start == stop:
        raise BadAudio(f"it ends before the stretch that begins at {start_s:g} s")
    if len(file) < 2**62 and stop - start > most:
        hours = (stop - start) / rate / 3600
        raise BadAudio(f"its header says {hours:,.0f} hours, expected at most {MOST_HOURS}")
    return Decoded(rate, functools.partial(_file_blocks, path, start, stop, most))


def _file_blocks(path: str, start: int, stop: int, most: int) -> Blocks:
    """[n, channels] blocks of the samples from start to stop."""
    done, known = start, stop < 2**62
    try:
        with _opened(path) as file:
            file.seek(start)
            size = max(BLOCK // file.channels, 1)
            while done < stop and len(block := file.read(min(stop - done, size), "float32", always_2d=True)):
                done += len(block)
                yield block
                if done - start > most:
                    raise BadAudio(f"longer than {MOST_HOURS} hours")
    except BadAudio:
        raise
    except Exception as error:
        raise BadAudio(f"damaged: decoding stops after {done:,} samples ({_reason(path, error)})") from error
    if known and done < stop:
        raise BadAudio(f"damaged: its header says {stop:,} samples, {done:,} can be decoded")


def _reason(path: str, error: Exception) -> str:
    text = str(error).replace(repr(os.fsencode(path)), "").replace(repr(path), "")
    return printable(" ".join(text.split()).removeprefix("Error opening : ").rstrip("."))


def _ffmpeg_blocks(path: str, sample_rate_hz: int, start_s: float, end_s: float | None) -> Blocks:
    """[n, 1] blocks, mixed and resampled by ffmpeg."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-ss", str(start_s)]
    if end_s is not None:
        command += ["-t", str(end_s - start_s)]
    source = b"file:" + os.fsencode(os.path.abspath(path))
    command += ["-i", source, "-vn", "-ac", "1", "-ar", str(sample_rate_hz), "-f", "f32le", "-"]
    left = MOST_HOURS * 3600 * sample_rate_hz
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as child,
    ):
        try:
            while data := cast(IO[bytes], child.stdout).read(4 * BLOCK):
                block = np.frombuffer(data[: len(data) // 4 * 4], "<f4").reshape(-1, 1)
                left -= len(block)
                if left < 0:
                    raise BadAudio(f"longer than {MOST_HOURS} hours")
                yield block
        except BaseException:  # also where no more blocks are wanted
            child.kill()
            raise
        if child.wait():
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise BadAudio(f"cannot be decoded (ffmpeg: {printable(lines[-1].strip())})")
