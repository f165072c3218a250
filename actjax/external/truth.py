"""What a data set knows of its clips, as features: labels, and the truth of rendered clips."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from actjax import lookup
from actjax.data.loader import Source
from actjax.extraction import tabulated
from actjax.extraction.shared import PITCH_CLASSES

# Notes that begin within this time are one onset: a chord.
CHORD_S = 0.03
DRUMS = 128
# Which data sets know what a truth needs.
RENDERED, PACKS = "gm_instruments", "audio_folder with a pattern of file names, '*_{note}_{dynamics}' say,"


def load(name: str, source: Source, **options: Any) -> tabulated.GivenFeature:
    """A feature of NAMES; options as its function takes them."""
    return NAMES[name](source, **options)


def labels(source: Source) -> tabulated.GivenFeature:
    """One row a class: 1 on clips that bear the label, else 0; which neurons detect classes."""
    classes = len(source.class_names)
    table = source.labels if source.multi_label else np.eye(classes, dtype=np.float32)[source.labels]
    return tabulated.make(
        "labels", lambda i: table[i].astype(np.float32)[:, :, None], source.class_names, unit="0 or 1"
    )


def onset_rate(source: Source) -> tabulated.GivenFeature:
    """Onsets per second of the notes played; notes that begin within 30 ms count once."""

    def rate(example: dict[str, Any]) -> float:
        begin = np.sort(_notes(example)[:, 0])
        begin = begin[(begin >= 0) & (begin < clip_s)]
        return int((np.diff(begin, prepend=-np.inf) > CHORD_S).sum()) / clip_s

    clip_s = source.clip_samples / source.sample_rate_hz
    return _of_examples(source, "truth_onset_rate", ("notes", "note_count"), rate, "1 / s")


def tempo(source: Source) -> tabulated.GivenFeature:
    """The tempo that the clip was played at."""
    return _of_examples(source, "truth_tempo", ("tempo_bpm",), lambda e: float(e["tempo_bpm"]), "beats / min")


def gain(source: Source) -> tabulated.GivenFeature:
    """The gain of the recording, the same for what is played and the noise."""
    return _of_examples(source, "truth_gain", ("gain_db",), lambda e: float(e["gain_db"]), "dB")


def pitch_classes(source: Source, *, hop_samples: int = 256) -> tabulated.GivenFeature:
    """Twelve rows, from C: the share of each frame during which a note of that pitch class sounds.

    Percussion has no pitch class. Frame i is centred at i * hop and one hop long.
    """
    hop_s = hop_samples / source.sample_rate_hz
    frames = 1 + source.clip_samples // hop_samples
    starts = (np.arange(frames) - 0.5) * hop_s

    def roll(example: dict[str, Any]) -> np.ndarray:
        out = np.zeros((12, frames), np.float32)
        notes = _notes(example)
        for onset, offset, pitch in notes[notes[:, 4] != DRUMS][:, :3]:
            share = (np.minimum(starts + hop_s, offset) - np.maximum(starts, onset)) / hop_s
            row = out[int(round(pitch)) % 12]
            np.maximum(row, np.clip(share, 0.0, 1.0), out=row)
        return out

    _need(source, "truth_pitch_classes", ("notes", "note_count"))
    return tabulated.make(
        "truth_pitch_classes",
        lambda index: np.stack([roll(source[int(i)]) for i in index]),
        PITCH_CLASSES,
        frames=frames,
        hop_s=hop_s,
        axis="pitch_class",
        unit="share of the frame",
    )


def note(source: Source) -> tabulated.GivenFeature:
    """The pitch of a sample pack's note, as its file's name tells it."""
    return _of_examples(
        source, "truth_note", ("midi_note",), lambda e: float(e["midi_note"]), "MIDI number", PACKS
    )


def dynamics(source: Source) -> tabulated.GivenFeature:
    """How hard a sample pack's note was played, as its file's name tells it."""
    return _of_examples(
        source,
        "truth_dynamics",
        ("midi_velocity",),
        lambda e: float(e["midi_velocity"]),
        "MIDI velocity",
        PACKS,
    )


def note_class(source: Source) -> tabulated.GivenFeature:
    """Twelve rows, from C: 1 on clips of a sample pack's note of that pitch class, else 0."""
    _need(source, "truth_note_class", ("midi_note",), PACKS)

    def of_clips(index: np.ndarray) -> np.ndarray:
        pitch = [round(float(source[int(i)]["midi_note"])) % 12 for i in index]
        return np.eye(12, dtype=np.float32)[pitch][:, :, None]

    return tabulated.make("truth_note_class", of_clips, PITCH_CLASSES, axis="pitch_class", unit="0 or 1")


NAMES: dict[str, Callable[..., tabulated.GivenFeature]] = {
    "labels": labels,
    "truth_onset_rate": onset_rate,
    "truth_pitch_classes": pitch_classes,
    "truth_tempo": tempo,
    "truth_gain": gain,
    "truth_note": note,
    "truth_note_class": note_class,
    "truth_dynamics": dynamics,
}


def options_of(name: str) -> tuple[str, ...]:
    """The options that a feature of NAMES takes."""
    return tuple(inspect.signature(NAMES[name]).parameters)[1:]


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raises UnknownNameError for an option that the feature does not have."""
    known = options_of(name)
    for option in options:
        if option not in known:
            raise lookup.UnknownNameError(
                f"feature {name!r} has no option {option!r}; known: {', '.join(known) or 'none'}"
            )


def _of_examples(
    source: Source,
    name: str,
    fields: tuple[str, ...],
    of_example: Callable[[dict[str, Any]], float],
    unit: str,
    known_by: str = RENDERED,
) -> tabulated.GivenFeature:
    """A feature of one value a clip, read off the clip's example."""
    _need(source, name, fields, known_by)

    def of_clips(index: np.ndarray) -> np.ndarray:
        values = [of_example(source[int(i)]) for i in index]
        return np.asarray(values, np.float32).reshape(-1, 1, 1)

    return tabulated.make(name, of_clips, (name,), unit=unit)


def _need(source: Source, name: str, fields: tuple[str, ...], known_by: str = RENDERED) -> None:
    example = source[0]
    lacking = [field for field in fields if field not in example]
    if lacking:
        raise ValueError(
            f"{name} needs the clips' {' and '.join(lacking)}, which this data set does not have; "
            f"{known_by} does"
        )


def _notes(example: dict[str, Any]) -> np.ndarray:
    """[n, 5] onset_s, offset_s, pitch, velocity, program."""
    return np.asarray(example["notes"])[: int(example["note_count"])]
