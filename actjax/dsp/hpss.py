"""Harmonic-percussive separation by median filters (Fitzgerald 2010; margins: Driedger et al. 2014)."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.median import running_median
from actjax.dsp.spectrum import magnitude, power_law


def harmonic_percussive_power(
    power_tf: jax.Array,
    *,
    kernel: tuple[int, int] = (31, 31),
    margin: tuple[float, float] = (1.0, 1.0),
    mask_power: float = 2.0,
) -> tuple[jax.Array, jax.Array]:
    """(harmonic [t, f], percussive [t, f]): mask^2 times the power, masks as `harmonic_percussive_masks`."""
    masks = harmonic_percussive_masks(power_tf, kernel=kernel, margin=margin, mask_power=mask_power)
    return power_tf * masks[0] ** 2, power_tf * masks[1] ** 2


def harmonic_percussive_masks(
    power_tf: jax.Array,
    *,
    kernel: tuple[int, int] = (31, 31),
    margin: tuple[float, float] = (1.0, 1.0),
    mask_power: float = 2.0,
) -> tuple[jax.Array, jax.Array]:
    """The masks of the harmonic and the percussive part on the complex spectrum of a clip.

    H is the running median of the magnitude over time, P over frequency; with p = mask_power the harmonic
    mask is H^p / (H^p + (margin P)^p), the percussive one likewise. (The median of the magnitude is taken
    as the root of the power's.)

    Args:
      power_tf: [t, f] |stft|^2.
      kernel: odd lengths of the median over time (frames) and over frequency (bins).
      margin: how many times larger than the other a component must be to pass at one half, >= 1.
      mask_power: exponent of the soft mask on magnitudes; infinity makes masks binary.

    Returns:
      (harmonic [t, f], percussive [t, f]), 0 .. 1.

    Raises:
      ValueError: as check_separation.
    """
    check_separation(kernel, margin, mask_power)
    # The root also keeps XLA from computing the medians anew for every use: it copies cheap operations into
    # each consumer, and counts the whole network as cheap, but a root as dear.
    over_time = magnitude(running_median(power_tf, kernel[0], 0))
    over_frequency = magnitude(running_median(power_tf, kernel[1], 1))
    # Where both are silent the two parts share the power evenly, unless a margin leaves a residual part.
    share = 0.5 if max(margin) == 1 else 0.0
    harmonic = _mask(over_time, over_frequency * margin[0], mask_power, share)
    percussive = _mask(over_frequency, over_time * margin[1], mask_power, share)
    return harmonic, percussive


def check_separation(kernel: tuple[int, int], margin: tuple[float, float], mask_power: float) -> None:
    """Raises ValueError for an even kernel, a margin below 1 or a mask_power that is not positive."""
    if min(kernel) < 1 or kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
        raise ValueError(f"expected odd kernel lengths of at least 1, got {kernel}")
    if min(margin) < 1:
        raise ValueError(f"expected margins of at least 1, got {margin}")
    if not mask_power > 0:
        raise ValueError(f"expected a positive mask_power, got {mask_power}")


def _mask(x: jax.Array, reference: jax.Array, exponent: float, share: float):
    if np.isinf(exponent):
        return (x > reference).astype(x.dtype)
    largest = jnp.maximum(x, reference)
    # Magnitudes below the smallest normal float32 count as silence; here they are squared, so squares
    # underflow.
    silent = largest < jnp.finfo(x.dtype).tiny
    scale = jnp.where(silent, 1.0, largest)
    a, b = x / scale, reference / scale
    a, b = (a * a, b * b) if exponent == 2 else (power_law(a, exponent), power_law(b, exponent))
    return jnp.where(silent, share, a / jnp.where(silent, 1.0, a + b))
