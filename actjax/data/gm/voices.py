"""Writes the voices of the twelve classes of gm_instruments, in beats.

A voice is a list of events `(onset_beat, duration_beats, pitch, accent)`; pitches are written in C and
transposed later, so that key, tempo and gain can be drawn independently of the class.
"""

import dataclasses

import numpy as np

DRUMS = 128  # the "program" of a percussion note in the truth; General MIDI has 0 to 127

CLASS_NAMES = (
    "accordionPerformance",
    "celloPerformance",
    "chamberMusic",
    "flutePerformance",
    "guitarPerformance",
    "harmonicaPerformance",
    "pianoPerformance",
    "rockBandPerformance",
    "saxophonePerformance",
    "symphonyOrchestraPerformance",
    "trumpetPerformance",
    "violinPerformance",
)

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 3, 5, 7, 10),
    (0, 2, 4, 7, 9),
)
_STEPS = np.array([-3, -2, -1, 0, 1, 2, 3])
_STEP_WEIGHTS = np.array([0.06, 0.14, 0.27, 0.06, 0.27, 0.14, 0.06])
_DURATIONS = np.array([0.25, 0.5, 0.75, 1.0, 1.5, 2.0])


@dataclasses.dataclass(frozen=True)
class Voice:
    """One player of a class.

    Attributes:
      programs: General MIDI programs it may be played on (0-based), DRUMS for percussion.
      low, high: the written range, MIDI pitches.
      styles: how it may play: "melody", "dyads", "chords", "arpeggio", "hands", "pad", "power",
        "bass", "drums", "timpani".
      pace: multiplies the density of notes.
      level: multiplies the velocity.
    """

    programs: tuple[int, ...]
    low: int
    high: int
    styles: tuple[str, ...] = ("melody",)
    pace: float = 1.0
    level: float = 1.0


Lineup = tuple[Voice, ...]
# Each class is a choice of line-ups; solo classes have line-ups of one player.
LINEUPS: dict[str, tuple[Lineup, ...]] = {
    "accordionPerformance": ((Voice((21, 23), 53, 84, ("melody", "dyads", "chords", "hands")),),),
    "celloPerformance": ((Voice((42,), 36, 69),),),
    "chamberMusic": (
        (
            Voice((40,), 64, 88),
            Voice((40, 110), 57, 79, pace=0.7),
            Voice((41,), 50, 72, pace=0.6, level=0.9),
            Voice((42,), 38, 60, pace=0.5),
        ),
        (
            Voice((40, 110), 60, 86),
            Voice((42,), 40, 64, pace=0.6),
            Voice((0, 1), 41, 79, ("hands", "arpeggio"), level=0.8),
        ),
        (Voice((73, 68), 64, 88), Voice((71, 69), 54, 76, pace=0.7), Voice((70, 60), 38, 62, pace=0.6)),
    ),
    "flutePerformance": ((Voice((73,), 62, 90),), (Voice((72,), 72, 96),)),
    "guitarPerformance": ((Voice((24, 25, 26, 27), 40, 76, ("melody", "chords", "arpeggio", "arpeggio")),),),
    "harmonicaPerformance": ((Voice((22,), 58, 86, ("melody", "dyads")),),),
    "pianoPerformance": ((Voice((0, 1, 2, 3), 36, 88, ("melody", "hands", "hands", "arpeggio", "chords")),),),
    "rockBandPerformance": (
        (
            Voice((DRUMS,), 35, 57, ("drums",), level=0.95),
            Voice((33, 34), 28, 46, ("bass",), level=1.05),
            Voice((29, 30), 40, 62, ("power",), level=0.8),
        ),
        (
            Voice((DRUMS,), 35, 57, ("drums",), level=0.95),
            Voice((33, 34), 28, 46, ("bass",), level=1.05),
            Voice((27, 29), 43, 67, ("power", "arpeggio"), level=0.8),
            Voice((30, 18), 57, 81, ("melody",), level=0.8),
        ),
    ),
    "saxophonePerformance": (
        (Voice((64,), 58, 84),),
        (Voice((65,), 50, 78),),
        (Voice((66,), 44, 73),),
        (Voice((67,), 37, 66),),
    ),
    "symphonyOrchestraPerformance": (
        (
            Voice((48, 49), 48, 72, ("pad",), level=0.9),
            Voice((48, 49), 64, 91, pace=0.8),
            Voice((43,), 28, 48, ("bass",), pace=0.5),
            Voice((60, 61), 45, 70, ("dyads",), pace=0.4, level=0.85),
            Voice((47,), 36, 50, ("timpani",), level=0.8),
        ),
        (
            Voice((48, 49), 50, 76, ("pad",), level=0.9),
            Voice((73, 68), 67, 91),
            Voice((61, 57), 48, 70, ("chords",), pace=0.5, level=0.8),
            Voice((48, 49), 32, 52, pace=0.5),
        ),
    ),
    "trumpetPerformance": ((Voice((56, 59), 54, 82),),),
    "violinPerformance": ((Voice((40, 110), 56, 91),),),
}


@dataclasses.dataclass(frozen=True)
class PhrasePlan:
    """What all voices of a phrase share: length in beats, scale, chord roots, density in notes a beat."""

    beats: float
    scale: tuple[int, ...]
    roots: tuple[int, ...]
    density: float


Event = tuple[float, float, int, float]


def draw_plan(rng: np.random.Generator, beats: float) -> PhrasePlan:
    """The shared plan of a phrase of at least `beats` beats."""
    scale = _SCALES[rng.integers(len(_SCALES))]
    roots = tuple(int(r) for r in rng.integers(0, len(scale), int(np.ceil(beats / 2)) + 1))
    return PhrasePlan(
        beats=beats, scale=scale, roots=roots, density=float(np.exp(rng.uniform(np.log(0.6), np.log(3.0))))
    )


def write_voice(rng: np.random.Generator, voice: Voice, plan: PhrasePlan) -> list[Event]:
    """The events of one voice over the plan's beats."""
    style = voice.styles[rng.integers(len(voice.styles))]
    if style == "drums":
        return _drums(rng, plan)
    if style == "timpani":
        return _timpani(rng, voice, plan)
    pitches = _scale_pitches(plan.scale, voice.low, voice.high)
    line = _line(rng, voice, plan, pitches, pace=0.5 if style in ("pad", "chords") else 1.0)
    if style == "melody":
        return line
    return [event for item in line for event in _thicken(rng, style, item, plan, pitches)]


def _line(
    rng: np.random.Generator, voice: Voice, plan: PhrasePlan, pitches: np.ndarray, pace: float
) -> list[Event]:
    """A walk over the scale; long notes and beat starts move to the nearest note of the current chord."""
    # One draw of all random numbers: a call for each would cost more than the rest.
    longest = int(plan.beats / _DURATIONS[0]) + 1
    durations = _pick(rng.random(longest), _DURATIONS, _duration_weights(plan.density * voice.pace * pace))
    steps = _pick(rng.random(longest), _STEPS, _STEP_WEIGHTS)
    homing, silences = rng.random(longest) < 0.2, rng.random(longest) < 0.08
    span = len(pitches)
    centre = int(rng.integers(span // 4, max(span - span // 4, span // 4 + 1)))
    place, beat, line = centre, 0.0, []
    for duration, step, home, silent in zip(
        durations.tolist(), steps.tolist(), homing, silences, strict=True
    ):
        if beat >= plan.beats:
            break
        place = min(max(place + step + int(home) * ((centre > place) - (centre < place)), 0), span - 1)
        pitch = int(pitches[place])
        if duration >= 1.0:
            pitch = _nearest(pitch, _chord(plan, beat), voice.low, voice.high)
        if not silent:
            line.append((beat, duration, pitch, 1.08 if beat % 1.0 == 0 else 0.96))
        beat += duration
    return line or [(0.0, 1.0, int(pitches[centre]), 1.0)]


def _duration_weights(density: float) -> np.ndarray:
    """How often each of _DURATIONS comes, so that about `density` notes fill a beat."""
    return np.exp(-0.5 * (np.log2(_DURATIONS * density) / 0.8) ** 2) + 1e-3


def _thicken(
    rng: np.random.Generator, style: str, item: Event, plan: PhrasePlan, pitches: np.ndarray
) -> list[Event]:
    """One event of the line becomes a chord, an arpeggio, a dyad or two hands."""
    beat, duration, pitch, accent = item
    low, high = int(pitches[0]), int(pitches[-1])
    chord = _chord(plan, beat)
    below = [_nearest(pitch - gap, chord, low, high) for gap in (4, 8, 12)]
    if style == "dyads":
        return [item, (beat, duration, below[0], 0.85 * accent)]
    if style in ("chords", "pad"):
        tones = below[: 2 if style == "pad" else 3]
        return [item, *((beat, duration, p, 0.85 * accent) for p in sorted(set(tones) - {pitch}))]
    if style == "power":
        root = _nearest((low + pitch) // 2, (chord[0],), low, high)
        count = max(round(duration * 2), 1)
        return [(beat + i * 0.5, 0.5, root + gap, accent) for i in range(count) for gap in (0, 7, 12)]
    if style == "bass":
        root = _nearest(pitch, (chord[0],), low, high)
        count = max(round(duration * 2), 1) if rng.random() < 0.5 else 1
        return [(beat + i * duration / count, duration / count, root, accent) for i in range(count)]
    if style == "arpeggio":
        tones = sorted({pitch, *below})
        return [
            (beat + i * 0.25, max(duration - i * 0.25, 0.25), p, accent)
            for i, p in enumerate(tones[: max(int(duration * 4), 1)])
        ]
    left = [_nearest(pitch - gap, chord, low, high) for gap in (16, 21)]
    return [item, *((beat, duration, p, 0.8 * accent) for p in sorted(set(left) - {pitch}))]


def _drums(rng: np.random.Generator, plan: PhrasePlan) -> list[Event]:
    """Eighth- or sixteenth-note hats, back beat, kick pattern, fills and crashes."""
    hat = (42, 42, 46, 51)[rng.integers(4)]
    step = 0.25 if plan.density < 1.0 and rng.random() < 0.5 else 0.5
    kicks = rng.random(8) < np.array([1.0, 0.2, 0.3, 0.3, 0.7, 0.2, 0.4, 0.2])
    events = []
    for beat in np.arange(0.0, plan.beats, step):
        events.append((float(beat), 0.2, hat, 0.8 if beat % 1.0 == 0 else 0.65))
        slot = int((beat % 4.0) * 2)
        if beat % 0.5 == 0 and kicks[slot]:
            events.append((float(beat), 0.2, 36, 1.1))
        if beat % 2.0 == 1.0 or (beat % 0.5 == 0.25 and rng.random() < 0.1):
            events.append((float(beat), 0.2, 38, 1.1))
        if beat % 4.0 == 0 and rng.random() < 0.4:
            events.append((float(beat), 0.5, 49, 0.9))
    return events


def _timpani(rng: np.random.Generator, voice: Voice, plan: PhrasePlan) -> list[Event]:
    """Strokes on some beats, and some rolls."""
    events = []
    for beat in np.arange(0.0, plan.beats, 1.0):
        if rng.random() < 0.3:
            pitch = _nearest(43, (_chord(plan, float(beat))[0],), voice.low, voice.high)
            strokes = 8 if rng.random() < 0.2 else 1
            events += [(float(beat) + i / strokes, 1.0 / strokes, pitch, 0.9) for i in range(strokes)]
    return events


def _chord(plan: PhrasePlan, beat: float) -> tuple[int, ...]:
    """Pitch classes of the triad on the current scale degree, root first."""
    degree = plan.roots[min(int(beat // 2), len(plan.roots) - 1)]
    return tuple(plan.scale[(degree + 2 * i) % len(plan.scale)] for i in range(3))


def _pick(uniform: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values drawn with these weights from uniform numbers."""
    edges = np.cumsum(weights / weights.sum())
    return values[np.minimum(np.searchsorted(edges, uniform, side="right"), len(values) - 1)]


def _scale_pitches(scale: tuple[int, ...], low: int, high: int) -> np.ndarray:
    return np.array([p for p in range(low, high + 1) if p % 12 in scale])


def _nearest(pitch: int, classes: tuple[int, ...], low: int, high: int) -> int:
    """The pitch of the given pitch classes within low..high that is nearest to `pitch`."""
    return min((p for p in range(low, high + 1) if p % 12 in classes), key=lambda p: (abs(p - pitch), p))
