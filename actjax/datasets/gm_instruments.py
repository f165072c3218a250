"""Twelve instrument classes, rendered from a General MIDI sound font: the data set that needs no download.

Phrases, keys, tempi and recording circumstances are drawn anew for each clip from the seed and the clip's
index; only instrumentation, register and texture depend on the class. Each clip keeps its whole truth.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from actjax.data.build import shards
from actjax.data.build.builder import ClipBuilder, ClipConfig, quiet
from actjax.data.gm import score, sound_fonts
from actjax.data.gm.example import example, max_notes
from actjax.data.gm.render import Clip, render_clip
from actjax.data.gm.scene import SCENE_FIELDS
from actjax.data.gm.score import CLASS_NAMES, DRUMS, NOTE_FIELDS, Intervention

__all__ = [
    "CLASS_NAMES",
    "CONFIGS",
    "DRUMS",
    "NOTE_FIELDS",
    "Clip",
    "Intervention",
    "clip",
    "dataset",
    "intervene",
]

CONFIGS = {"tiny": 48, "small": 2_400, "full": 24_000}


@dataclasses.dataclass(eq=False)
class GmConfig(ClipConfig):
    """How many clips, from which seed, and whether the test split has programs of its own."""

    clips: int = 0
    seed: int = 0
    holdout_programs: bool = False
    sound_font: str | None = None

    @property
    def render_options(self) -> dict[str, Any]:
        """What `clip` needs beside the seed and the index."""
        return {
            "clip_seconds": self.clip_seconds,
            "sample_rate_hz": self.sample_rate_hz,
            "holdout_programs": self.holdout_programs,
            "sound_font": self.sound_font,
        }


class GmInstruments(ClipBuilder, skip_registration=True):
    """The builder; made by `dataset`."""

    builder_config: GmConfig
    name = "gm_instruments"
    class_names = CLASS_NAMES
    description = "Phrases on sampled General MIDI instruments, made to sound like user-generated recordings."
    citation = "Sound font TimGM6mb by Tim Brechbill, as distributed with pretty_midi."

    def jobs(self) -> dict[str, list[int]]:
        """The clip indices of each split."""
        indices = range(self.builder_config.clips)
        return {split: [i for i in indices if score.split_of(i) == split] for split in score.SPLITS}

    def work(self) -> Callable[[int], list[shards.Example]]:
        """Renders one clip."""
        config = self.builder_config
        return functools.partial(example, config.seed, config.render_options)

    def extra_features(self) -> dict[str, Any]:
        """The truth of a clip."""
        notes = (max_notes(self.builder_config.clip_seconds), len(NOTE_FIELDS))
        scalar = {name: tfds.features.Scalar(np.float32) for name in ("tempo_bpm", *SCENE_FIELDS)}
        return {
            "notes": tfds.features.Tensor(shape=notes, dtype=np.float32, encoding="bytes"),
            "note_count": tfds.features.Scalar(np.int32),
            "transpose": tfds.features.Scalar(np.int32),
            "phrase": tfds.features.Text(),
            **scalar,
        }


def dataset(
    *,
    config: str = "small",
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    seed: int = 1907,
    holdout_programs: bool = False,
    sound_font: str | None = None,
    clips: int | None = None,
    workers: int | None = None,
) -> GmInstruments:
    """The builder of gm_instruments; `download_and_prepare()` renders it, `as_data_source()` reads it.

    Of each 240 clips, every class has 15 for training, 2 for validation and 3 for testing.

    Args:
      config: "tiny" (48 clips, for tests), "small" (2,400) or "full" (24,000).
      data_dir: TFDS's default when None.
      clip_seconds, sample_rate_hz: of every clip.
      seed: every clip is a function of it and the clip's index.
      holdout_programs: the test split plays on General MIDI programs that the others never do,
        in all classes that have several (all but cello and harmonica).
      sound_font: an SF2 file with all programs that the classes play on, fingerprinted; the same notes in the
        same rooms then sound on its samples. The one that comes with pretty_midi when None.
      clips: another number of clips than the config's.
      workers: rendering processes; None for one a core.

    Raises:
      ValueError: an unknown config, or a length, rate or number that is not positive.
      FileNotFoundError, FileError: no such sound font, or one that lacks a program.
    """
    if config not in CONFIGS:
        raise ValueError(f"gm_instruments has the configs {', '.join(CONFIGS)}; got {config!r}")
    clips = CONFIGS[config] if clips is None else clips
    for name, value in (("clip_seconds", clip_seconds), ("sample_rate_hz", sample_rate_hz), ("clips", clips)):
        if not value > 0:
            raise ValueError(f"gm_instruments: {name} must be positive, got {value}")
    name = f"{config}-{clips}x{clip_seconds:g}s-{sample_rate_hz}hz-seed{seed}" + "-holdout" * holdout_programs
    if sound_font is not None:
        sound_font = str(pathlib.Path(sound_font).expanduser().absolute())
        sound_fonts.check(sound_font)
        name += f"-font{sound_fonts.fingerprint(sound_font)}"
    options = GmConfig(
        name=name,
        sample_rate_hz=sample_rate_hz,
        clip_seconds=clip_seconds,
        clips=clips,
        seed=seed,
        holdout_programs=holdout_programs,
        sound_font=sound_font,
    )
    with quiet():
        builder = GmInstruments(data_dir=data_dir, config=options)
    builder.workers = 1 if clips <= 100 and workers is None else workers
    return builder


def clip(index: int, *, seed: int = 1907, intervention: Intervention | None = None, **options: Any) -> Clip:
    """Clip `index` with its truth, without any files; options are those of `dataset` that shape a clip.

    With an intervention the same clip comes out changed in that respect alone: phrase, room, noise
    and levels are the same. The audio is then not limited to -1..1.
    """
    return render_clip(seed, index, intervention=intervention, **options)


def intervene(clip_id: str, intervention: Intervention, **options: Any) -> Clip:
    """The clip with this clip_id under an intervention; `options` as the data set was made with."""
    seed, index = (int(number) for number in clip_id.removeprefix("gm-").split("-"))
    return clip(index, seed=seed, intervention=intervention, **options)
