"""Cuts recordings of any length into clips by a stated rule.

The worker processes import this, so it imports no TFDS.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from actjax.data.build.example import clip_example
from actjax.data.build.shards import BadAudio, Example
from actjax.data.recordings.prints import Prints
from actjax.data.recordings.sound import SILENCE, Sound, open_sound
from actjax.files import printable

CUTS = ("consecutive", "first", "centre", "ten_tenths")
# What soundfile reads, and what ffmpeg does.
SUFFIXES = (
    *(
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
    ),
    *(".rf64", ".voc", ".sph", ".m4a", ".aac", ".wma", ".webm", ".mp4", ".mkv"),
)

# Of every clip, and so of a recording in proportion to its length.
PRINTS_A_SECOND, PRINTS = 20, (32, 1024)

# Stretches (begin, end) of a recording that make one clip, one after the other.
Stretches = list[tuple[int, int]]


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
        return printable(self.path)

    @property
    def known(self) -> Mapping[str, float]:
        """What is known of it beside its labels, for every clip's example."""
        return {}


@dataclasses.dataclass(frozen=True)
class Cutting:
    """How a recording becomes clips.

    Attributes:
      sample_rate_hz, clip_samples: of every clip.
      rule: "consecutive": one clip after the other from the start, a last one that is at least half
        full padded with silence; "first" and "centre": one clip; "ten_tenths": one clip made of the
        centres of ten equal stretches of the recording (Slizovskaia et al., ICMR 2017). A recording
        shorter than a clip is padded with silence at its end. Padding is no signal: see `Batch.length`.
      min_seconds: a shorter recording is left out.
      classes: None for one label an example, else the number of classes of a multi-hot label.
    """

    sample_rate_hz: int
    clip_samples: int
    rule: str = "consecutive"
    min_seconds: float = 0.0
    classes: int | None = None


def cut_file(cutting: Cutting, recording: Recording) -> Iterator[Example]:
    """The examples of one recording, one after the other.

    Raises:
      BadAudio: it cannot be decoded, or is empty, too short, silent, or holds NaN.
    """
    sound = open_sound(recording.path, cutting.sample_rate_hz, recording.start_s, recording.end_s)
    return cut_sound(sound, cutting, recording)


def cut_sound(sound: Sound, cutting: Cutting, recording: Recording) -> Iterator[Example]:
    """The examples of one recording whose sound is open; raises as `cut_file`."""
    seconds = sound.samples / cutting.sample_rate_hz
    if seconds < cutting.min_seconds:
        raise BadAudio(f"too short: {seconds:.3f} s, expected at least {cutting.min_seconds:g} s")
    clips = plan_clips(sound.samples, cutting.clip_samples, cutting.rule)
    prints = _prints(sound, cutting)
    for number, clip in enumerate(_taken(sound, clips)):
        if np.ptp(clip) / 2 >= SILENCE:
            yield _example(clip, number, sound.note, cutting, recording) | {"prints": prints[number]}


def _prints(sound: Sound, cutting: Cutting) -> np.ndarray:
    """[clips, 1 + each, 2] the recording's prints, of which every clip carries a share."""
    clips = sum(1 for _ in plan_clips(sound.samples, cutting.clip_samples, cutting.rule))
    seconds = cutting.clip_samples / cutting.sample_rate_hz
    each = int(np.clip(PRINTS_A_SECOND * seconds, *PRINTS))
    return (sound.prints or Prints(cutting.sample_rate_hz)).of_clips(clips, each)


def cut(wave: np.ndarray, samples: int, rule: str) -> list[np.ndarray]:
    """The clips of a wave by one of the rules of `Cutting`, each of `samples` or, at the end, fewer."""
    sound = Sound(len(wave), lambda: iter([wave]))
    return list(_taken(sound, plan_clips(len(wave), samples, rule)))


def load(path: str, sample_rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """[s] float32, the sound of a short file or stretch; raises as `open_sound`."""
    return open_sound(path, sample_rate_hz, start_s, end_s).wave()


def plan_clips(total: int, samples: int, rule: str) -> Iterator[Stretches]:
    """Which stretches of a recording of `total` samples make each of its clips."""
    if total <= samples or rule == "first":
        return iter([[(0, min(samples, total))]])
    if rule == "centre":
        return iter([[_centre(0, total, samples)]])
    if rule == "ten_tenths":
        edges = np.linspace(0, samples, 11).round().astype(int)
        # Ten stretches as equal as whole samples allow, the longer ones first.
        starts = np.cumsum([0, *(total // 10 + (i < total % 10) for i in range(10))])
        ten = zip(starts, starts[1:], np.diff(edges), strict=False)
        return iter([[_centre(int(a), int(b), int(n)) for a, b, n in ten]])
    count = max((total + samples // 2) // samples, 1)
    return ([(i * samples, min((i + 1) * samples, total))] for i in range(count))


def _taken(sound: Sound, clips: Iterator[Stretches]) -> Iterator[np.ndarray]:
    """The samples of each clip. Stretches ascend, so one pass over the blocks meets all of them."""
    blocks, held, first = sound.blocks(), np.zeros(0, np.float32), 0

    def take(begin: int, end: int) -> np.ndarray:
        nonlocal held, first
        while first + len(held) < end:
            if (block := next(blocks, None)) is None:
                raise BadAudio("it changed while it was read")
            skipped = min(max(begin - first, 0), len(held))
            held, first = np.concatenate([held[skipped:], block]), first + skipped
        return held[begin - first : end - first]

    for stretches in clips:
        yield np.concatenate([take(begin, end) for begin, end in stretches])


def _centre(begin: int, end: int, samples: int) -> tuple[int, int]:
    first = begin + (end - begin - samples) // 2
    return first, first + samples


def _example(clip: np.ndarray, number: int, note: str, cutting: Cutting, recording: Recording) -> Example:
    known = {name: np.float32(value) for name, value in recording.known.items()}
    return known | clip_example(
        clip,
        _label(recording.labels, cutting.classes),
        clip_samples=cutting.clip_samples,
        clip_id=f"{recording.clip_id}#{number}" if number else recording.clip_id,
        recording_id=recording.recording_id,
        note=note,
    )


def _label(labels: tuple[int, ...], classes: int | None) -> np.integer | np.ndarray:
    """The one label, or [classes] uint8 of a multi-label set."""
    if classes is None:
        return np.int32(labels[0])
    hot = np.zeros(classes, np.uint8)
    hot[list(labels)] = 1
    return hot
