"""Audio files to clips: decoding, mixing to mono, resampling, cutting by a stated rule.

Imported by the worker processes, so without TFDS. Long files are decoded in blocks: memory holds one
mono recording at the target rate, never the file as stored.
"""

import dataclasses
import os
import shutil
import subprocess

import numpy as np
import soundfile
import soxr

from actjax.datasets._shards import BadAudio, Example, content_hash

CUTS = ("consecutive", "first", "centre", "ten_tenths")
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".m4a", ".webm", ".opus", ".mp4", ".mkv")
SILENCE = 1e-4  # -80 dB of full scale: a peak below it is silence
_BLOCK_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Recording:
    """One file, or a stretch of one, to be cut into clips.

    Attributes:
      path: of the file.
      recording_id: the same for all that must stay in one split.
      clip_id: of the first clip; later ones add "#1", "#2" ...
      labels: indices of its classes.
      start_s, end_s: the stretch to use; end_s None is the file's end.
    """

    path: str
    recording_id: str
    clip_id: str
    labels: tuple[int, ...]
    start_s: float = 0.0
    end_s: float | None = None

    def __str__(self) -> str:
        return self.path


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How a recording becomes clips.

    Attributes:
      sample_rate_hz, clip_samples: of every clip.
      rule: "consecutive": one clip after the other from the start, a last one that is at least half
        full padded with silence; "first" and "centre": one clip; "ten_tenths": one clip made of the
        centres of ten equal parts of the recording (Slizovskaia et al., ICMR 2017). A recording
        shorter than a clip is padded with silence at its end.
      min_seconds: a shorter recording is left out.
      classes: None for one label an example, else the number of classes of a multi-hot label.
    """

    sample_rate_hz: int
    clip_samples: int
    rule: str = "consecutive"
    min_seconds: float = 0.0
    classes: int | None = None


def cut_file(cutting: Cutting, recording: Recording) -> list[Example]:
    """The examples of one recording.

    Raises:
      BadAudio: it cannot be decoded, or is empty, too short, silent, or holds NaN.
    """
    return cut_wave(
        load(recording.path, cutting.sample_rate_hz, recording.start_s, recording.end_s), cutting, recording
    )


def cut_wave(wave: np.ndarray, cutting: Cutting, recording: Recording) -> list[Example]:
    """The examples of one recording whose wave [s] float32 is at hand; raises as `cut_file`."""
    if len(wave) == 0:
        raise BadAudio("empty")
    if not np.isfinite(wave).all():
        raise BadAudio("holds NaN or infinite samples")
    seconds = len(wave) / cutting.sample_rate_hz
    if seconds < cutting.min_seconds:
        raise BadAudio(f"too short: {seconds:.3f} s, expected at least {cutting.min_seconds:g} s")
    if np.max(np.abs(wave)) < SILENCE:
        raise BadAudio("silent")
    return [
        _example(clip, number, cutting, recording)
        for number, clip in enumerate(cut(wave, cutting.clip_samples, cutting.rule))
        if np.max(np.abs(clip)) >= SILENCE
    ]


def cut(wave: np.ndarray, samples: int, rule: str) -> list[np.ndarray]:
    """The clips [samples] of a wave by one of the rules of `Cutting`."""
    if len(wave) <= samples or rule == "first":
        return [_fit(wave, samples)]
    if rule == "centre":
        return [_centre(wave, samples)]
    if rule == "ten_tenths":
        edges = np.linspace(0, samples, 11).round().astype(int)
        parts = np.array_split(wave, 10)
        return [np.concatenate([_centre(p, b - a) for p, a, b in zip(parts, edges, edges[1:], strict=False)])]
    count = max((len(wave) + samples // 2) // samples, 1)
    return [_fit(wave[i * samples : (i + 1) * samples], samples) for i in range(count)]


def load(path: str, sample_rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """[s] float32: the mean of the channels at `sample_rate_hz`, by soundfile or else by ffmpeg.

    Raises:
      BadAudio: the file is missing, empty or cannot be decoded.
    """
    if not os.path.isfile(path):
        raise BadAudio("missing")
    if os.path.getsize(path) == 0:
        raise BadAudio("empty")
    try:
        with soundfile.SoundFile(path) as file:
            return _read(file, sample_rate_hz, start_s, end_s)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        if shutil.which("ffmpeg") is None:
            reason = " ".join(str(error).replace(repr(path), "").split()).rstrip(".")
            raise BadAudio(
                f"cannot be decoded ({reason}; ffmpeg, which may know it, is not installed)"
            ) from error
    return _read_with_ffmpeg(path, sample_rate_hz, start_s, end_s)


def resample(wave: np.ndarray, rate_hz: int, sample_rate_hz: int) -> np.ndarray:
    """[s] float32 at another rate, band-limited."""
    return wave if rate_hz == sample_rate_hz else soxr.resample(wave, rate_hz, sample_rate_hz, quality="HQ")


def _read(file: soundfile.SoundFile, sample_rate_hz: int, start_s: float, end_s: float | None) -> np.ndarray:
    rate = file.samplerate
    stop = len(file) if end_s is None else min(round(end_s * rate), len(file))
    start = min(round(start_s * rate), stop)
    file.seek(start)
    if stop - start <= _BLOCK_SECONDS * rate:
        mono = _mono(file.read(stop - start, dtype="float32", always_2d=True))
        return resample(mono, rate, sample_rate_hz)
    stream = soxr.ResampleStream(rate, sample_rate_hz, 1, dtype="float32", quality="HQ")
    parts = []
    while (left := stop - start) > 0:
        block = file.read(min(left, _BLOCK_SECONDS * rate), dtype="float32", always_2d=True)
        start = stop if len(block) == 0 else start + len(block)
        mono = _mono(block)
        parts.append(mono if rate == sample_rate_hz else stream.resample_chunk(mono, last=start >= stop))
    return np.concatenate(parts)


def _mono(block: np.ndarray) -> np.ndarray:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _read_with_ffmpeg(path: str, sample_rate_hz: int, start_s: float, end_s: float | None) -> np.ndarray:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-ss", str(start_s)]
    if end_s is not None:
        command += ["-t", str(end_s - start_s)]
    source = "file:" + os.path.abspath(path)
    command += ["-i", source, "-vn", "-ac", "1", "-ar", str(sample_rate_hz), "-f", "f32le", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise BadAudio(f"cannot be decoded (ffmpeg: {lines[-1].strip()})")
    return np.frombuffer(done.stdout, "<f4")


def _example(clip: np.ndarray, number: int, cutting: Cutting, recording: Recording) -> Example:
    audio = np.round(np.clip(clip, -1.0, 1.0) * 32767.0).astype(np.int16)
    if cutting.classes is None:
        label = {"label": np.int32(recording.labels[0])}
    else:
        hot = np.zeros(cutting.classes, np.uint8)
        hot[list(recording.labels)] = 1
        label = {"labels": hot}
    return {
        "audio": audio,
        "clip_id": f"{recording.clip_id}#{number}" if number else recording.clip_id,
        "recording_id": recording.recording_id,
        "content": content_hash(audio, *label.values()),
        **label,
    }


def _fit(wave: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(wave[:samples], (0, max(samples - len(wave), 0)))


def _centre(wave: np.ndarray, samples: int) -> np.ndarray:
    first = (len(wave) - samples) // 2
    return wave[first : first + samples]
