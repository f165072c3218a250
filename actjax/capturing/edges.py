"""The first and last sample that a frame hears, found by halving.

A frame that does not change while the samples before p are changed hears none of them. Two frames far apart
give a layer's field, hop and first frame to the sample.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from actjax.capturing.tokens import Order
from actjax.capturing.waves import Wave
from actjax.types import LayerAxis


@dataclasses.dataclass
class Edge:
    """One end of what one frame hears: it lies between `low` and `high`.

    Attributes:
      output, frame: whose.
      is_first: whether it is the first sample, else the last.
      low, high: the sample before p = low is unheard (for a first one), that before p = high is heard; of a
        last one, the samples from low on are heard, those from high on are not.
    """

    output: str
    frame: int
    is_first: bool
    low: int
    high: int

    @property
    def is_open(self) -> bool:
        """Says whether it is not known to the sample."""
        return self.high - self.low > 1

    @property
    def sample(self) -> int:
        """The first, or the last, sample that the frame hears."""
        return self.low if self.is_first else self.high - 1

    def learn(self, cut: int, changed: bool) -> None:
        """Takes in whether a change before (of a first one), or from `cut` on, changed the frame."""
        if self.low < cut < self.high:
            if changed == self.is_first:
                self.high = cut
            else:
                self.low = cut


class Listener:
    """Says whether a frame changed: by more than a share of its largest response to a stretch."""

    def __init__(
        self, axes: Mapping[str, tuple[int, Order]], peaks: Mapping[str, np.ndarray], unheard: float
    ):
        self._axes, self._peaks, self._unheard = axes, peaks, unheard

    def changed(self, output: str, frame: int, energy: np.ndarray) -> np.ndarray:
        """[which] bool, of an output's squared changes [which, ...]."""
        axis, order = self._axes[output]
        indices = np.flatnonzero(order.frame_of() == frame)
        heard = np.take(energy, indices, axis=axis).sum(axis=tuple(range(1, energy.ndim)))
        return heard > self._unheard * self._peaks[output][frame]


def layer_axes(
    wave: Wave, edges_s: np.ndarray, responses: Mapping[str, np.ndarray], listener: Listener, unheard: float
) -> dict[str, LayerAxis]:
    """Finds the axes of the outputs that have two frames which hear neither end of the wave.

    Args:
      wave: what is changed.
      edges_s: [stretches + 1] samples.
      responses: output -> [stretches, frames] energies.
      listener: says what counts as a change.
      unheard: as the listener's.
    """
    sought: dict[str, list[Edge]] = {}
    for name, response in responses.items():
        heard = response > unheard * np.maximum(response.max(0), 1e-300)
        inner = np.flatnonzero(heard.any(0) & ~heard[0] & ~heard[-1])
        if len(inner) < 2:
            continue
        low, high = int(inner[0]), int(inner[-1])
        sought[name] = [edge for frame in (low, high) for edge in _bracket(name, frame, heard, edges_s)]
    every = [edge for edges in sought.values() for edge in edges]
    lost = _unconfirmed(wave, every, listener)
    every = [edge for edge in every if edge.output not in lost]
    while any(edge.is_open for edge in every):
        for is_first in (True, False):
            of_kind = [edge for edge in every if edge.is_first == is_first]
            cuts = sorted({(edge.low + edge.high) // 2 for edge in of_kind if edge.is_open})
            for cut, edge, changed in _listen(wave, is_first, cuts, of_kind, listener):
                edge.learn(cut, changed)
    return {
        name: _line(edges, responses[name].shape[1], wave.samples)
        for name, edges in sought.items()
        if name not in lost
    }


def _bracket(name: str, frame: int, heard: np.ndarray, edges_s: np.ndarray) -> tuple[Edge, Edge]:
    """Where a frame's first and last sample lie, by the stretches that it hears."""
    stretches = np.flatnonzero(heard[:, frame])
    first, last = int(stretches[0]), int(stretches[-1])
    return (
        Edge(name, frame, True, int(edges_s[first]), int(edges_s[first + 1])),
        Edge(name, frame, False, int(edges_s[last]), int(edges_s[last + 1])),
    )


def _unconfirmed(wave: Wave, edges: Sequence[Edge], listener: Listener) -> set[str]:
    """Names outputs whose frames hear what lies outside of their brackets, all at once."""
    lost: set[str] = set()
    for is_first in (True, False):
        of_kind = [edge for edge in edges if edge.is_first == is_first]
        outside = {id(edge): edge.low if is_first else edge.high for edge in of_kind}
        for cut, edge, changed in _listen(wave, is_first, sorted(set(outside.values())), of_kind, listener):
            if changed and outside[id(edge)] == cut:
                lost.add(edge.output)
    return lost


def _listen(
    wave: Wave, is_first: bool, cuts: Sequence[int], edges: Sequence[Edge], listener: Listener
) -> Iterator[tuple[int, Edge, bool]]:
    """Yields (cut, edge, whether its frame changed) as all before, or all from, each cut changes."""
    starts = [0] * len(cuts) if is_first else list(cuts)
    stops = list(cuts) if is_first else [wave.samples] * len(cuts)
    heard: dict[tuple[str, int], np.ndarray] = {}
    for which, outputs in wave.changes(starts, stops):
        for key in {(edge.output, edge.frame) for edge in edges}:
            changed = heard.setdefault(key, np.zeros(len(cuts), bool))
            changed[which] |= listener.changed(*key, outputs[key[0]])
    for edge in edges:
        changed = heard.get((edge.output, edge.frame))
        if changed is not None:
            yield from ((cut, edge, bool(changed[i])) for i, cut in enumerate(cuts))


def _line(edges: Sequence[Edge], frames: int, samples: int) -> LayerAxis:
    """The axis through two frames of known ends."""
    first_low, last_low, first_high, last_high = edges
    # A rectifier or a maximum may hide an end of one frame: the wider one is whole.
    field = max(last_low.sample - first_low.sample, last_high.sample - first_high.sample) + 1
    centres = [(a.sample + b.sample) / 2 for a, b in ((first_low, last_low), (first_high, last_high))]
    step = (centres[1] - centres[0]) / (first_high.frame - first_low.frame)
    if abs(step - round(step)) * (first_high.frame - first_low.frame) <= 1:
        step = float(round(step))
    return LayerAxis(frames, centres[0] - step * first_low.frame, step, field, samples)
