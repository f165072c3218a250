"""Finds peaks of spectra and how far they lie from a grid of pitches: a kernel of a GPU, a program a frame.

A frame is read once for its largest value and once more, from the cache, for its peaks; elsewhere the passes
that compare neighbours, choose them and refine them write what lies between.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

_WARPS = 4
# The slots that deviations fall into.
SLOTS = 100


class Looked(NamedTuple):
    """Where peaks are looked for, and the grid.

    Attributes:
      first, end: bins that may be peaks.
      hz_per_bin: of the spectra.
      bins_per_octave: of the grid, of which a line is at 27.5 Hz.
    """

    first: int
    end: int
    hz_per_bin: float
    bins_per_octave: int


def spectral_peaks(spectra_nf: jax.Array, looked: Looked) -> jax.Array:
    """[n, (height, slot), pairs of bins] float32: refined heights of peaks, infinite without one, and slots.

    Peaks are at least as high as the next bin, higher than the one before, and above a tenth of the frame's
    largest value; of a pair of bins at most one is a peak.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    rows, bins = spectra_nf.shape
    pairs = (looked.end - looked.first + 1) // 2
    return pl.pallas_call(
        functools.partial(_look, bins=bins, looked=looked),
        out_shape=jax.ShapeDtypeStruct((rows, 2 * pairs), jnp.float32),
        grid=(rows,),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=1),
    )(spectra_nf).reshape(rows, 2, pairs)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds peaks; raises what stops it."""
    spectra = np.full((3, 130), 0.01, np.float32)
    # Lines of the grid, so that bins lie 0.4 above, on and 0.4 below them.
    for row, (bin_, left, right) in enumerate([(40, 0.8, 0.2), (41, 0.5, 0.5), (90, 0.2, 0.8)]):
        spectra[row, bin_ - 1 : bin_ + 2] = left, 1.0, right
    looked = Looked(3, 100, 27.5, 12)
    peaks = np.asarray(computed(functools.partial(spectral_peaks, looked=looked), spectra))
    shift = np.array([-0.3, 0.0, 0.3])
    position = 12 * np.log2(np.array([40, 41, 90]) + shift)
    expected = np.floor((position - np.round(position) + 0.5) * SLOTS)
    places = (np.array([40, 41, 90]) - 3) // 2
    heights, slots = peaks[np.arange(3), :, places].T
    refined = np.allclose(heights, 1.0 + 0.25 * np.array([-0.6, 0.0, 0.6]) * shift)
    return bool((slots == expected).all() and refined and (np.isfinite(peaks[:, 0]).sum(axis=1) == 1).all())


def _look(spectra_ref: Any, out_ref: Any, *, bins: int, looked: Looked) -> None:
    """One program: a frame."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row, pairs = pl.program_id(0), (looked.end - looked.first + 1) // 2
    place = jnp.arange(1 << (bins - 1).bit_length(), dtype=jnp.int32)
    threshold = 0.1 * jnp.max(gpu.load(spectra_ref.at[row, place], mask=place < bins, other=0.0))
    pair = jnp.arange(1 << max(pairs - 1, 1).bit_length(), dtype=jnp.int32)
    even = looked.first + 2 * pair
    # The bin before the pair, the pair, and the bin after it; a bin beyond the last one is no peak.
    near = [
        gpu.load(spectra_ref.at[row, even + i], mask=even + i <= looked.end, other=0.0) for i in (-1, 0, 1, 2)
    ]
    gated = [jnp.where(value > threshold, value, 0.0) for value in near]
    at_even = (gated[1] > gated[0]) & (gated[1] >= gated[2])
    at_odd = (gated[2] > gated[1]) & (gated[2] >= gated[3]) & (even + 1 < looked.end)
    height, shift = _vertex(*(jnp.where(at_odd, near[i + 1], near[i]) for i in range(3)))
    slot = _slot(even.astype(jnp.float32) + at_odd.astype(jnp.float32) + shift, looked)
    for i, values in enumerate((jnp.where(at_even | at_odd, height, jnp.inf), slot)):
        gpu.store(out_ref.at[row, i * pairs + pair], values, mask=pair < pairs)


def _slot(number: jax.Array, looked: Looked) -> jax.Array:
    """The slot of how far a bin's frequency, the bin in fractions, lies from the nearest line of the grid."""
    position = looked.bins_per_octave * jnp.log2(number * (looked.hz_per_bin / 27.5))
    deviation = position - jnp.floor(position)
    deviation = jnp.where(deviation >= 0.5, deviation - 1.0, deviation)
    return jnp.clip(jnp.floor((deviation + 0.5) * SLOTS), 0.0, SLOTS - 1.0)


def _vertex(left: jax.Array, centre: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(height, shift in bins) of the parabola through three bins, the centre's where it lies beyond them."""
    curvature, slope = left + right - 2.0 * centre, (right - left) / 2.0
    inside = jnp.abs(slope) < jnp.abs(curvature)
    shift = jnp.where(inside, -slope / jnp.where(inside, curvature, 1.0), 0.0)
    return centre + 0.25 * (right - left) * shift, shift
