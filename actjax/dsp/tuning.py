"""The deviation of a clip's tuning from A = 440 Hz, from the peaks of its spectrum."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.dsp.parabola import vertex_shift
from actjax.kernels import kth_value, platform
from actjax.kernels.batched import over_clips
from actjax.kernels.spectral_peaks import SLOTS, Looked, spectral_peaks


def estimate_tuning(
    power_tf: jax.Array,
    *,
    sample_rate_hz: int,
    bins_per_octave: int = 12,
    inside_t: jax.Array | None = None,
) -> jax.Array:
    """The most frequent deviation of strong spectral peaks from the equal-tempered grid.

    Peaks of each frame between 150 Hz and 4 kHz, at least 0.1 of the frame's largest value, are refined by
    a parabola through three bins; of those at least as strong as their median, the deviations are counted
    in 100 bins. The estimate has no derivative.

    Args:
      power_tf: [t, f] power spectrum.
      sample_rate_hz: of the wave.
      bins_per_octave: of the grid.
      inside_t: [t] bool, the frames that count; None for all.

    Returns:
      A scalar in [-0.5, 0.5), in fractions of a bin; 0 if there is no peak.
    """
    power = jax.lax.stop_gradient(power_tf)
    power = power if inside_t is None else jnp.where(inside_t[:, None], power, 0.0)  # silence has no peaks
    height, slot = _peaks(power, _looked(power.shape[1], sample_rate_hz, bins_per_octave))
    is_peak = height < jnp.inf
    rank = jnp.floor(_count(is_peak) / 2.0)
    strong = is_peak & (height >= _order_statistic(height, rank))
    # Weak peaks and other bins fall into slot 100, which is dropped.
    counts = jnp.zeros(SLOTS, jnp.float32).at[jnp.where(strong, slot, SLOTS)].add(1.0, mode="drop")
    best = jnp.argmax(counts).astype(jnp.float32)
    return jnp.where(jnp.any(is_peak), best / SLOTS - 0.5, 0.0)


def _looked(bins: int, sample_rate_hz: int, bins_per_octave: int):
    """From 150 Hz to 4 kHz, without the first and the last bin, which have one neighbour."""
    hz_per_bin = sample_rate_hz / (2 * (bins - 1))
    first = max(int(np.ceil(150.0 / hz_per_bin)), 1)
    end = min(int(np.ceil(min(4000.0, sample_rate_hz / 2) / hz_per_bin)), bins - 1)
    return Looked(first, end, hz_per_bin, bins_per_octave)


def _peaks(power: jax.Array, looked: Looked):
    """(refined heights, infinite without a peak; slots of deviations), each [t, pair of bins looked at]."""
    by_passes = functools.partial(_by_passes, looked=looked)
    if power.dtype != jnp.float32 or looked.end <= looked.first or not precision.kernel_peaks():
        return by_passes(power)

    @over_clips
    def of_clips(power_btf: jax.Array) -> jax.Array:
        rows = spectral_peaks(power_btf.reshape(-1, power_btf.shape[2]), looked)
        return rows.reshape(*power_btf.shape[:2], 2, -1)

    def by_kernel(power: jax.Array) -> tuple[jax.Array, jax.Array]:
        both = of_clips(power[None])[0]
        return both[:, 0], both[:, 1].astype(jnp.int32)

    return platform.dependent(power, cpu=by_passes, default=by_kernel)


def _by_passes(power: jax.Array, looked: Looked):
    """Neighbours are not both peaks, so that a pair of bins has at most one."""
    first, end = looked.first, looked.end
    threshold = 0.1 * jnp.max(power, axis=1, keepdims=True)
    gated = jnp.where(power > threshold, power, 0.0)
    left, centre, right = (gated[:, first + i : end + i] for i in (-1, 0, 1))
    at_even, at_odd = _pairs((centre > left) & (centre >= right))
    sides = [_pairs(power[:, first + i : end + i]) for i in (-1, 0, 1)]
    left, centre, right = (jnp.where(at_odd, odd, even) for even, odd in sides)
    shift = vertex_shift(left, centre, right)
    number = first + 2 * jnp.arange(at_odd.shape[1], dtype=jnp.float32)[None, :] + at_odd.astype(jnp.float32)
    position = looked.bins_per_octave * jnp.log2((number + shift) * (looked.hz_per_bin / 27.5))
    residual = position - jnp.floor(position)
    residual = jnp.where(residual >= 0.5, residual - 1.0, residual)
    slot = jnp.clip(jnp.floor((residual + 0.5) * SLOTS).astype(jnp.int32), 0, SLOTS - 1)
    return jnp.where(at_even | at_odd, centre + 0.25 * (right - left) * shift, jnp.inf), slot


def _pairs(x: jax.Array):
    """(x at even bins, x at odd bins), each [t, pair]; the last pair may end beyond the bins, with zero."""
    paired = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2))).reshape(x.shape[0], -1, 2)
    return paired[..., 0], paired[..., 1]


def _order_statistic(x: jax.Array, rank: jax.Array):
    """The value with `rank` smaller ones in x >= 0, exactly: on a GPU by a kernel that reads x once."""
    if not precision.kernel_selects() or x.size > kth_value.MOST:
        return _by_bisection(x, rank)
    of_rows = over_clips(kth_value.kth_values)
    return platform.dependent(
        x, rank, cpu=_by_bisection, default=lambda x, rank: of_rows(x.reshape(1, -1), rank[None])[0]
    )


def _by_bisection(x: jax.Array, rank: jax.Array):
    """On the bits of the float."""
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)

    def halve(i: jax.Array, low: jax.Array):
        middle = low + jnp.left_shift(jnp.int32(1), 30 - i)
        return jnp.where(_count(bits < middle) <= rank, middle, low)

    return jax.lax.bitcast_convert_type(jax.lax.fori_loop(0, 31, halve, jnp.int32(0)), jnp.float32)


def _count(flags: jax.Array):
    """The number of true values, exact below 2^24; XLA sums floats faster than integers on a CPU."""
    return jnp.sum(flags.astype(jnp.float32))
