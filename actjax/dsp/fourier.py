"""Inverse Fourier transforms of real signals, as forward ones where these are faster.

A GPU's library scales an inverse transform in a pass of its own, after one that rearranges its input.
"""

import jax
import jax.numpy as jnp

from actjax.kernels import platform


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

    return platform.dependent(real_tf, imaginary_tf, cpu=as_it_is, default=forward)


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


def _both_signs(first_tf: jax.Array, mirrored_tf: jax.Array, length: int):
    """[t, length] the first half, and the other mirrored behind it."""
    return jnp.concatenate([first_tf, jnp.flip(mirrored_tf[:, 1 : length - length // 2], axis=1)], axis=1)
