"""Where the frames of any network lie, measured by what a change of the wave changes.

A stretch of noise is played backwards, and the outputs before and after are compared. Short stretches
show which axis of an output is time and in what order it runs; from where the longest unheard beginning and
end of the wave reach follow, to the sample, first frame, hop and field. The network is only run.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from actjax.capturing.edges import Listener, layer_axes
from actjax.capturing.tokens import Fit, Order, find_order
from actjax.capturing.waves import Run, Wave
from actjax.types import LayerAxis

STRETCHES = 48
# A frame does not hear a change of less than this share of its largest response, in energy: float32's
# rounding; where everything hears a normalisation over the whole wave, what is left of that.
UNHEARD = (1e-10, 3e-4)
# Frames that respond less than this share of the strongest ones lie beyond the wave, or rectify it all away.
QUIET, STRONGEST = 0.1, 16


@dataclasses.dataclass(frozen=True)
class Measured:
    """Where the frames of one output lie.

    Attributes:
      axis: of the output, the clips' axis being 0.
      order: in which that axis runs through time and frequency.
      time: in samples of the wave.
      bounded: False where a frame hears the whole wave (attention, recurrence): its field counts as a hop.
    """

    axis: int
    order: Order
    time: LayerAxis
    bounded: bool


def measure(run: Run, samples: int) -> dict[str, Measured]:
    """Measures every output that has an axis of time; the others are left out.

    Args:
      run: waves [b, samples] -> name -> [b, ...].
      samples: of a clip.
    """
    wave = Wave(run, samples)
    edges = np.linspace(0, samples, min(STRETCHES, samples) + 1).round().astype(int)
    responses = _by_axis(wave, edges)
    placed = {name: fit for name, axes in responses.items() if (fit := _time_axis(axes, edges)) is not None}
    heard = {name: _by_frame(responses[name][axis], fit.order) for name, (axis, fit) in placed.items()}
    axes = {name: (axis, fit.order) for name, (axis, fit) in placed.items()}
    peaks = {name: response.max(0) for name, response in heard.items()}
    exact: dict[str, LayerAxis] = {}
    for unheard in UNHEARD:
        left = {name: heard[name] for name in placed if name not in exact}
        measured = layer_axes(wave, edges, left, Listener(axes, peaks, unheard), unheard)
        for name, time in measured.items():
            if _agree(time, placed[name][1], edges[1]):
                # What is known to a normalisation's trace takes the places of what is known to the sample.
                exact[name] = time if unheard == UNHEARD[0] else _aligned(time, exact.values())
    regular = {name: _regular(fit, exact.values(), samples) for name, (_, fit) in placed.items()}
    return {
        name: Measured(axis, fit.order, exact.get(name, regular[name]), name in exact)
        for name, (axis, fit) in placed.items()
    }


def _by_axis(wave: Wave, edges: np.ndarray) -> dict[str, dict[int, np.ndarray]]:
    """Output -> axis -> [stretches, indices] energy of the response to a change of each stretch."""
    starts, stops = edges[:-1].tolist(), edges[1:].tolist()
    totals: dict[str, dict[int, np.ndarray]] = {}
    for which, changed in wave.changes(starts, stops, repeats=1):
        for name, energy in changed.items():
            axes = totals.setdefault(name, {})
            for axis in range(1, energy.ndim):
                others = tuple(a for a in range(1, energy.ndim) if a != axis)
                total = axes.setdefault(axis, np.zeros((len(starts), energy.shape[axis])))
                total[which] += energy.sum(axis=others)
    return totals


def _time_axis(axes: Mapping[int, np.ndarray], edges: np.ndarray) -> tuple[int, Fit] | None:
    """Finds the axis whose indices listen to different stretches, and its order."""
    centres = (edges[:-1] + edges[1:] - 1) / 2
    best, spread = None, 0.0
    for axis, response in axes.items():
        places, weights = _places(response, centres)
        if len(places) < 2 or not weights.any():
            continue
        weight = weights / weights.sum()
        deviation = float(np.sqrt(weight @ (places - weight @ places) ** 2))
        if deviation > spread and (fit := find_order(places, weights)) is not None:
            best, spread = (axis, fit), deviation
    return best if spread > 0.1 * edges[-1] else None


def _places(response: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([indices] the place in samples where each listens most, [indices] weights)."""
    local = np.maximum(response - np.quantile(response, 0.25, axis=0), 0.0)
    total = local.sum(0)
    places = np.where(total > 0, centres @ local / np.where(total > 0, total, 1.0), 0.0)
    return places, _loud(local.max(0)).astype(float)


def _loud(peaks: np.ndarray) -> np.ndarray:
    """[indices] bool: those that respond about as strongly as the strongest do."""
    return peaks > QUIET * np.sort(peaks)[-STRONGEST:].mean()


def _by_frame(response: np.ndarray, order: Order) -> np.ndarray:
    """[stretches, frames]: the response of all bands together, 0 of frames beyond the wave."""
    frame = order.frame_of()
    totals = np.zeros((len(response), order.times))
    np.add.at(totals.T, frame[frame >= 0], response.T[frame >= 0])
    return totals * _loud(totals.max(0))


def _agree(time: LayerAxis, fit: Fit, stretch: int) -> bool:
    """Whether edges and centres of response agree, which they do not where attention has windows."""
    last = time.size - 1
    apart = abs(time.first - fit.first), abs(time.first + last * time.step - fit.first - last * fit.step)
    return max(apart) <= 2 * max(stretch, time.step, fit.step)


def _aligned(time: LayerAxis, known: Iterable[LayerAxis]) -> LayerAxis:
    """The frames of a measured layer within half a hop of these, with the wider field; else these."""
    for other in known:
        last = other.first - time.first + (other.size - 1) * (other.step - time.step)
        if other.size == time.size and max(abs(other.first - time.first), abs(last)) < 0.5 * other.step:
            return dataclasses.replace(other, field=max(other.field, time.field))
    return time


def _regular(fit: Fit, known: Iterable[LayerAxis], samples: int) -> LayerAxis:
    """Places frames that hear everything: as those of a measured layer that lie alike, else by their line."""
    times = fit.order.times
    step = float(round(fit.step)) if abs(fit.step - round(fit.step)) < 0.01 * fit.step else fit.step
    first = fit.first + (fit.step - step) * (times - 1) / 2
    line = LayerAxis(times, float(first), step, 1, samples)
    time = _aligned(line, known)
    return dataclasses.replace(time, field=max(int(time.step), 1))
