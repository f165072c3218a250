"""The deviation of a clip's tuning from A = 440 Hz, from the peaks of its spectrum."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.spectrum import PRECISION


def estimate_tuning(power_tf: jax.Array, *, sample_rate_hz: int, bins_per_octave: int = 12) -> jax.Array:
    """The most frequent deviation of strong spectral peaks from the equal-tempered grid.

    Peaks of each frame between 150 Hz and 4 kHz, at least 0.1 of the frame's largest value, are refined by
    a parabola through three bins; of those at least as strong as their median, the deviations are counted
    in 100 bins. The estimate has no derivative.

    Args:
      power_tf: [t, f] power spectrum.
      sample_rate_hz: of the wave.
      bins_per_octave: of the grid.

    Returns:
      A scalar in [-0.5, 0.5), in fractions of a bin; 0 if there is no peak.
    """
    power = jax.lax.stop_gradient(power_tf)
    residual, strength, is_peak = _peaks(power, sample_rate_hz, bins_per_octave)
    rank = jnp.sum(is_peak) // 2
    strong = is_peak & (strength >= _order_statistic(jnp.where(is_peak, strength, jnp.inf), rank))
    slot = jnp.floor((residual + 0.5) * 100.0).astype(jnp.int32)
    slot = jnp.where(strong, jnp.clip(slot, 0, 99), -10)
    # A histogram of 100 bins as one product of two indicators of 10: far faster than scattered additions.
    digits = jnp.arange(10, dtype=jnp.int32)[None, None, :]
    tens = (slot[..., None] // 10 == digits).astype(jnp.float32)
    ones = (slot[..., None] % 10 == digits).astype(jnp.float32)
    counts = jnp.einsum("tfi,tfj->ij", tens, ones, precision=PRECISION)
    best = jnp.argmax(counts.reshape(100)).astype(jnp.float32)
    return jnp.where(jnp.any(is_peak), best / 100.0 - 0.5, 0.0)


def _peaks(power, sample_rate_hz, bins_per_octave):
    """Deviation in bins, refined height and presence of a peak, each [t, f] over the bins looked at."""
    bins = power.shape[1]
    hz_per_bin = sample_rate_hz / (2 * (bins - 1))
    first = max(int(np.ceil(150.0 / hz_per_bin)), 1)
    end = min(int(np.ceil(min(4000.0, sample_rate_hz / 2) / hz_per_bin)), bins - 1)
    threshold = 0.1 * jnp.max(power, axis=1, keepdims=True)
    gated = jnp.where(power > threshold, power, 0.0)
    left, centre, right = (gated[:, first + i : end + i] for i in (-1, 0, 1))
    is_peak = (centre > left) & (centre >= right)
    left, centre, right = (power[:, first + i : end + i] for i in (-1, 0, 1))
    curvature, slope = left + right - 2.0 * centre, (right - left) / 2.0
    inside = jnp.abs(slope) < jnp.abs(curvature)
    shift = jnp.where(inside, -slope / jnp.where(inside, curvature, 1.0), 0.0)
    hz = (jnp.arange(first, end, dtype=jnp.float32)[None, :] + shift) * hz_per_bin
    position = bins_per_octave * jnp.log2(hz / 27.5)
    residual = position - jnp.floor(position)
    residual = jnp.where(residual >= 0.5, residual - 1.0, residual)
    return residual, centre + 0.5 * slope * shift, is_peak


def _order_statistic(x, rank):
    """The value with `rank` smaller ones in x >= 0, exactly, by bisection on the bits of the float."""
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)

    def halve(i, low):
        middle = low + jnp.left_shift(jnp.int32(1), 30 - i)
        return jnp.where(jnp.sum(bits < middle) <= rank, middle, low)

    return jax.lax.bitcast_convert_type(jax.lax.fori_loop(0, 31, halve, jnp.int32(0)), jnp.float32)
