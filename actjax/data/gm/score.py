"""Writes the notes of a clip of gm_instruments, a pure function of the seed and the clip's index.

Tempo, transposition and the phrase are drawn from the seed and the index alone. The phrase as heard
(rhythm in beats and intervals) is hashed, and each split owns a share of the hashes: a phrase is
drawn again until its hash belongs to the clip's split, so no two splits can share one, and until a note
begins in the first half of the clip.
"""

import dataclasses
import hashlib

import numpy as np

from actjax.data.gm import voices
from actjax.data.gm.voices import CLASS_NAMES, DRUMS, LINEUPS, Lineup, Voice

SPLITS = ("train", "validation", "test")
# Clip i has class i % 12 and fold (i // 12) % 20: of 240 successive clips each class has 15, 2 and 3.
SPLIT_OF_FOLD = (
    ("train", "train", "test", "validation")
    + ("train",) * 7
    + ("test", "validation")
    + ("train",) * 6
    + ("test",)
)
TEMPO_BPM = (66.0, 168.0)
TRANSPOSE = (-6, 6)
MAX_TEMPO_RATIO = 4.0
BAR_BEATS = 4
NOTE_FIELDS = ("onset_s", "offset_s", "pitch", "velocity", "program")

_PHRASE, _PERFORMANCE = 1, 2  # streams of random numbers, so that one does not shift the other


@dataclasses.dataclass(frozen=True)
class Intervention:
    """Changes of one clip; everything else (phrase, room, noise, levels) stays the same.

    Attributes:
      gain_db: added to the recording gain: source and noise alike.
      tempo_ratio: multiplies the tempo; the clip shows more or less of the same phrase.
      transpose_semitones: added to all pitches but percussion.
      percussion_db: added to the level of the percussion (no effect where there is none).
      brightness_db_per_octave: added to the source's spectral tilt around 1 kHz.
    """

    gain_db: float = 0.0
    tempo_ratio: float = 1.0
    transpose_semitones: int = 0
    percussion_db: float = 0.0
    brightness_db_per_octave: float = 0.0


@dataclasses.dataclass(frozen=True)
class Score:
    """What is played in a clip.

    Attributes:
      label: index into CLASS_NAMES.
      split: the split the phrase belongs to.
      notes: [n, 5] float64 as NOTE_FIELDS, by onset; times are relative to the clip's start, an
        onset below 0 began before it; program 128 is percussion. Every note touches the clip.
      voice_of_note: [n] the player of each note.
      programs: the program of each player.
      tempo_bpm, transpose: as played.
      phrase: the hash of the phrase as written: what one hears of it at the unchanged tempo.
    """

    label: int
    split: str
    notes: np.ndarray
    voice_of_note: np.ndarray
    programs: tuple[int, ...]
    tempo_bpm: float
    transpose: int
    phrase: str


def label_of(index: int) -> int:
    """The class of a clip."""
    return index % len(CLASS_NAMES)


def split_of(index: int) -> str:
    """The split of a clip."""
    return SPLIT_OF_FOLD[(index // len(CLASS_NAMES)) % len(SPLIT_OF_FOLD)]


def write_score(
    seed: int,
    index: int,
    *,
    clip_seconds: float,
    holdout_programs: bool = False,
    intervention: Intervention | None = None,
) -> Score:
    """The notes of clip `index`.

    Args:
      seed: of the data set.
      index: of the clip, 0 or more.
      clip_seconds: the clip's length.
      holdout_programs: players with several programs keep their last one for the test split.
      intervention: changes of tempo and transposition; the rest of it is the renderer's.
    """
    change = intervention or Intervention()
    if not 1 / MAX_TEMPO_RATIO <= change.tempo_ratio <= MAX_TEMPO_RATIO:
        raise ValueError(
            f"tempo_ratio must be 1/{MAX_TEMPO_RATIO:g} to {MAX_TEMPO_RATIO:g}, got {change.tempo_ratio}"
        )
    label, split = label_of(index), split_of(index)
    rng = np.random.default_rng([seed, index, _PERFORMANCE])
    tempo = float(np.exp(rng.uniform(*np.log(TEMPO_BPM))))
    transpose = int(rng.integers(TRANSPOSE[0], TRANSPOSE[1] + 1))
    start_s = float(rng.uniform(-0.4, 0.2))
    lineup, programs = _draw_players(rng, label, split, holdout_programs)
    beats = (clip_seconds + 0.4) * tempo / 60.0
    bars = int(np.ceil(beats / BAR_BEATS))
    events, phrase = _draw_phrase(
        (seed, index),
        split,
        lineup,
        bars * BAR_BEATS,
        tempo=tempo,
        start_s=start_s,
        clip_seconds=clip_seconds,
    )
    tempo, transpose = tempo * change.tempo_ratio, transpose + change.transpose_semitones
    # The phrase comes round again where a faster tempo reaches its end.
    rounds = int(np.ceil(beats * change.tempo_ratio / (bars * BAR_BEATS)))
    events = np.concatenate([events + np.array([i * bars * BAR_BEATS, 0, 0, 0, 0, 0]) for i in range(rounds)])
    played = _play(events, tempo, start_s, programs, transpose)
    played = played[(played[:, 0] < clip_seconds) & (played[:, 1] > 0)]
    return Score(
        label=label,
        split=split,
        notes=played[:, :5],
        voice_of_note=played[:, 5].astype(int),
        programs=programs,
        tempo_bpm=tempo,
        transpose=transpose,
        phrase=phrase,
    )


def _draw_phrase(
    clip: tuple[int, int],
    split: str,
    lineup: Lineup,
    phrase_beats: int,
    *,
    tempo: float,
    start_s: float,
    clip_seconds: float,
) -> tuple[np.ndarray, str]:
    """The events of the first phrase that is the split's and begins in the clip's first half, and its hash.

    Args:
      clip: (seed, index).
      split: that must own the phrase.
      lineup: who plays it.
      phrase_beats: its length.
      tempo, start_s, clip_seconds: beats a minute, where it begins in the clip, and the clip's length.
    """
    beats = (clip_seconds + 0.4) * tempo / 60.0
    for attempt in range(10_000):
        rng = np.random.default_rng([*clip, _PHRASE, attempt])
        events = _draw_events(rng, lineup, phrase_beats)
        phrase = _phrase_hash(events, beats - (0.4 + start_s) * tempo / 60.0)
        onset_s = start_s + events[:, 0] * 60.0 / tempo
        if _owner(phrase) == split and ((onset_s >= 0) & (onset_s <= clip_seconds / 2)).any():
            return events, phrase
    raise ValueError(f"no phrase fits into clips of {clip_seconds:g} s; expected 0.5 s or more")


def _draw_events(rng: np.random.Generator, lineup: Lineup, beats: float) -> np.ndarray:
    """[n, 6] onset_beat, duration_beats, pitch, velocity, player, delay_s of a phrase."""
    plan = voices.draw_plan(rng, beats)
    loudness, legato = rng.uniform(52, 112), rng.uniform(0.45, 1.03)
    swell = rng.uniform(-0.25, 0.25)
    rows = []
    for player, voice in enumerate(lineup):
        line = np.array(voices.write_voice(rng, voice, plan), float).reshape(-1, 4)
        spread = 1.0 + swell * np.sin(2 * np.pi * line[:, 0] / 8.0) + rng.normal(0, 0.06, len(line))
        velocity = np.clip(loudness * voice.level * line[:, 3] * spread, 20, 127)
        delay = np.abs(rng.normal(0, 0.006, len(line)))
        rows.append(
            np.column_stack(
                [line[:, 0], line[:, 1] * legato, line[:, 2], velocity, np.full(len(line), player), delay]
            )
        )
    events = np.concatenate(rows)
    return events[np.lexsort((events[:, 2], events[:, 4], events[:, 0]))]


def _phrase_hash(events: np.ndarray, beats: float) -> str:
    """A hash of the rhythm and the intervals within the first `beats` beats, whatever key and tempo."""
    heard = events[events[:, 0] <= beats]
    content = np.column_stack([heard[:, 0] * 48, heard[:, 2] - heard[0, 2]]) if len(heard) else heard
    return hashlib.sha256(np.round(content).astype("<i4").tobytes()).hexdigest()[:16]


def _owner(phrase: str) -> str:
    """The split that owns a phrase, in the proportions of the folds."""
    return SPLIT_OF_FOLD[int(phrase, 16) % len(SPLIT_OF_FOLD)]


def _play(
    events: np.ndarray, tempo: float, start_s: float, programs: tuple[int, ...], transpose: int
) -> np.ndarray:
    """[n, 6] the note fields and the player, in seconds, transposed, by onset."""
    player = events[:, 4].astype(int)
    program = np.array(programs, float)[player]
    onset = start_s + events[:, 0] * 60.0 / tempo + events[:, 5]
    offset = onset + np.maximum(events[:, 1] * 60.0 / tempo, 0.05)
    pitch = np.where(program == DRUMS, events[:, 2], np.clip(events[:, 2] + transpose, 0, 127))
    notes = np.column_stack([onset, offset, pitch, np.round(events[:, 3]), program, player])
    notes = notes[np.lexsort((notes[:, 0], notes[:, 2], notes[:, 5]))]
    again = (notes[1:, 2] == notes[:-1, 2]) & (notes[1:, 5] == notes[:-1, 5])
    # A key is struck again only after it was let go: at least 5 ms before.
    notes[:-1, 1] = np.where(again, np.minimum(notes[:-1, 1], notes[1:, 0] - 0.005), notes[:-1, 1])
    notes = notes[notes[:, 1] > notes[:, 0]]
    return notes[np.argsort(notes[:, 0], kind="stable")]


def _draw_players(
    rng: np.random.Generator, label: int, split: str, holdout: bool
) -> tuple[Lineup, tuple[int, ...]]:
    """A line-up of the class, and the program that each of its players plays on."""
    lineups = LINEUPS[CLASS_NAMES[label]]
    lineup = lineups[rng.integers(len(lineups))]
    if holdout and len(lineups) > 1 and len(lineup) == 1:
        # Solo classes whose line-ups differ by instrument (saxophones, flutes) keep the last for test.
        choices = lineups[-1:] if split == "test" else lineups[:-1]
        lineup = choices[rng.integers(len(choices))]
    return lineup, tuple(_draw_program(rng, voice, split, holdout) for voice in lineup)


def _draw_program(rng: np.random.Generator, voice: Voice, split: str, holdout: bool) -> int:
    choices = voice.programs
    if holdout and len(choices) > 1:
        choices = choices[-1:] if split == "test" else choices[:-1]
    return int(choices[rng.integers(len(choices))])
