"""Simulates neurons and features that have nothing to do with each other, in five ways that look related.

In each family a clip's neurons and features are independent given its class, so that a test of
"this neuron follows this feature within clips of a class" must reject at its level.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

# AR(1) coefficient of frames, as of smoothed activations and features.
FRAME_MEMORY = 0.9


@dataclasses.dataclass(frozen=True)
class Design:
    """The size of a simulated data set: b clips (one a recording) of t frames, n neurons, k rows."""

    clips: int = 96
    classes: int = 12
    frames: int = 32
    neurons: int = 8
    rows: int = 4

    @property
    def class_ids(self) -> np.ndarray:
        """[b] the class of each clip."""
        return np.arange(self.clips) % self.classes


def draw(name: str, design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Null sets of one family: neurons [s, b, t, n] and feature rows [s, b, t, k], float32."""
    make = FAMILIES[name][0]
    x, y = make(design, sets, rng)
    return x.astype(np.float32), y.astype(np.float32)


def plants(
    design: Design, sets: int, rng: np.random.Generator, *, sources: int = 4, gain: float = 0.35
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neurons of which half follow a source that some feature rows follow too.

    Row i is source i % `sources` with as much noise of its own, on top of class-specific envelopes;
    neuron i of the first half is `gain` times source i % `sources` plus noise.

    Returns:
      (x [s, b, t, n], y [s, b, t, k], related [n, k] bool: the pair shares its generating source).
    """
    x, y = _class_envelopes(design, sets, rng)
    shared = _series(rng, sets, design, sources)
    planted = design.neurons // 2
    source_n, source_k = np.arange(planted) % sources, np.arange(design.rows) % sources
    x[..., :planted] += gain * shared[..., source_n]
    y += shared[..., source_k]
    related = np.zeros((design.neurons, design.rows), bool)
    related[:planted] = source_n[:, None] == source_k[None, :]
    return x.astype(np.float32), y.astype(np.float32), related


def _stationary(design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _series(rng, sets, design, design.neurons), _series(rng, sets, design, design.rows)


def _slow_drift(design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    def drifting(columns: int) -> np.ndarray:
        steps = rng.standard_normal((sets, design.clips, design.frames, columns), dtype=np.float32)
        return _series(rng, sets, design, columns) + 0.5 * np.cumsum(steps, axis=2)

    return drifting(design.neurons), drifting(design.rows)


def _shared_envelope(design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All clips begin with the same onset; how strongly, differs by clip, side and column."""
    envelope_t = _onset(design.frames, 3.0, 6.0)[None, None, :, None]

    def enveloped(columns: int) -> np.ndarray:
        return _series(rng, sets, design, columns) + _gains(rng, sets, design, columns) * envelope_t

    return enveloped(design.neurons), enveloped(design.rows)


def _class_means(design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Both sides have their own level in each class."""

    def levelled(columns: int) -> np.ndarray:
        series = _series(rng, sets, design, columns)
        level = rng.standard_normal((sets, design.classes, 1, columns), dtype=np.float32)
        return series + 0.5 * level[:, design.class_ids]

    return levelled(design.neurons), levelled(design.rows)


def _class_envelopes(design: Design, sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each class has its own onset, early or late, short or long, which both sides follow."""
    onset_sc = rng.uniform(1.0, 0.6 * design.frames, (sets, design.classes, 1))
    decay_sc = rng.uniform(3.0, 12.0, (sets, design.classes, 1))
    envelope_sct = _onset(design.frames, onset_sc, decay_sc)
    envelope_sbt = envelope_sct[:, design.class_ids][..., None]

    def enveloped(columns: int) -> np.ndarray:
        return _series(rng, sets, design, columns) + _gains(rng, sets, design, columns) * envelope_sbt

    return enveloped(design.neurons), enveloped(design.rows)


Maker = Callable[[Design, int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
# name -> (generator, how scores are centred: within clips, or over all where clip means matter)
FAMILIES: dict[str, tuple[Maker, str]] = {
    "stationary": (_stationary, "clip"),
    "slow_drift": (_slow_drift, "clip"),
    "shared_envelope": (_shared_envelope, "clip"),
    "class_means": (_class_means, "all"),
    "class_envelopes": (_class_envelopes, "clip"),
}


def _series(rng: np.random.Generator, sets: int, design: Design, columns: int) -> np.ndarray:
    """[s, b, t, columns] stationary AR(1) series of unit variance."""
    noise = rng.standard_normal((design.frames, sets, design.clips, columns), dtype=np.float32)
    for t in range(1, design.frames):
        noise[t] *= np.sqrt(1 - FRAME_MEMORY**2)
        noise[t] += FRAME_MEMORY * noise[t - 1]
    return noise.transpose(1, 2, 0, 3)


def _gains(rng: np.random.Generator, sets: int, design: Design, columns: int) -> np.ndarray:
    """[s, b, 1, columns] positive gains, a level for each column and a draw for each clip."""
    level = rng.uniform(0.2, 0.8, (sets, 1, 1, columns))
    return (level * rng.uniform(0.5, 1.5, (sets, design.clips, 1, columns))).astype(np.float32)


def _onset(frames: int, onset: float | np.ndarray, decay: float | np.ndarray) -> np.ndarray:
    """An onset at a frame and its exponential decay, unit deviation over time."""
    since = np.arange(frames) - onset
    shape = np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay), 0.0)
    return ((shape - shape.mean(-1, keepdims=True)) / shape.std(-1, keepdims=True)).astype(np.float32)
