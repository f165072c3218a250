"""Inverse Fourier transforms of real signals, as forward ones where these are faster.

A GPU's library scales an inverse transform in a pass of its own, after one that rearranges its input.
"""

import functools

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.kernels import cosine_sums
from actjax.kernels.batched import over_clips


def inverse(real_tf: jax.Array, length: int, imaginary_tf: jax.Array | None = None) -> jax.Array:
    """[t, length] the real signals of which real_tf + i imaginary_tf is the transform [t, length // 2 + 1].

    A CPU takes the inverse transform. Elsewhere it is Hartley's transform of the real minus the imaginary
    part, over all bins of both signs, which is its own inverse but for the scale.
    """
    if imaginary_tf is None:
        imaginary_tf = jnp.zeros_like(real_tf)

    def as_it_is(real: jax.Array, imaginary: jax.Array) -> jax.Array:
        return jnp.fft.irfft(jax.lax.complex(real, imaginary), n=length, axis=1)

    def forward(real: jax.Array, imaginary: jax.Array) -> jax.Array:
        return inverse_of_real(as_real(real, imaginary, length))

    return jax.lax.platform_dependent(real_tf, imaginary_tf, cpu=as_it_is, default=forward)


def as_real(real_tf: jax.Array, imaginary_tf: jax.Array, length: int) -> jax.Array:
    """[t, length] the real minus the imaginary part of transforms [t, length // 2 + 1], over both signs."""
    return _both_signs(real_tf - imaginary_tf, real_tf + imaginary_tf, length)


def inverse_of_real(difference_tf: jax.Array) -> jax.Array:
    """[t, length] the real signals of which `as_real` makes difference_tf, by a forward transform."""
    length = difference_tf.shape[1]
    spectrum = jnp.fft.rfft(difference_tf, axis=1)
    # The second half of the signal is the first one's mirror, with the other sign.
    halves = spectrum.real - spectrum.imag, spectrum.real + spectrum.imag
    return _both_signs(*halves, length) * (1.0 / length)


def first_lags(power_tf: jax.Array, length: int, lags: int, lowest_t2: jax.Array | None = None) -> jax.Array:
    """[t, lags] the first samples of the real, even signals whose transform is power_tf, not negative.

    Args:
      power_tf: [t, length // 2 + 1].
      length: of the signals.
      lags: at most the length.
      lowest_t2: what to take in place of the two lowest bins; None for these bins.
    """
    suits = (
        power_tf.dtype == jnp.float32 and len(power_tf) > 1 and length % 2 == 0 and lags <= cosine_sums.MOST
    )
    by_transform = functools.partial(_by_transform, length=length, lags=lags)
    sides = (power_tf,) if lowest_t2 is None else (power_tf, lowest_t2)
    if not (suits and precision.kernel_cosines()):
        return by_transform(*sides)
    return jax.lax.platform_dependent(*sides, cpu=by_transform, default=_by_kernel(length, lags))


def _by_transform(power: jax.Array, *lowest: jax.Array, length: int, lags: int):
    whole = jnp.concatenate([lowest[0], power[:, 2:]], axis=1) if lowest else power
    return inverse(whole, length)[:, :lags]


@functools.cache
def _by_kernel(length: int, lags: int):
    """The function of powers, and maybe of their lowest bins, that a GPU computes by its kernel."""

    @over_clips
    def of_clips(power_btf: jax.Array, *lowest: jax.Array) -> jax.Array:
        rows = [side.reshape(-1, side.shape[2]) for side in (power_btf, *lowest)]
        return cosine_sums.cosine_sums(rows[0], lags, *rows[1:]).reshape(*power_btf.shape[:2], lags)

    @jax.custom_jvp
    def kernel(*sides: jax.Array) -> jax.Array:
        return of_clips(*(side[None] for side in sides))[0]

    @kernel.defjvp
    def _(primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]):
        return kernel(*primals), _by_transform(*tangents, length=length, lags=lags)

    return kernel


def _both_signs(first_tf: jax.Array, mirrored_tf: jax.Array, length: int):
    """[t, length] the first half, and the other mirrored behind it."""
    return jnp.concatenate([first_tf, jnp.flip(mirrored_tf[:, 1 : length - length // 2], axis=1)], axis=1)
