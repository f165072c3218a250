"""Normalises each channel by its moments, reading the maps twice forward and twice backward."""

import functools
from typing import cast

import jax
import jax.numpy as jnp


def normalised(
    x: jax.Array,
    weight_b: jax.Array,
    near_c: jax.Array,
    scale_c: jax.Array,
    bias_c: jax.Array,
    *,
    epsilon: float,
    axis_name: str | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """y = (x - mean) / sqrt(var + epsilon) * scale + bias, with moments in float32 over clips and devices.

    Its derivatives are written by hand: automatic ones of the moments read the maps three times more. None
    goes through the moments that are returned.

    Args:
      x: [b, ..., c], of any floating type.
      weight_b: [b] float32, 1 for clips that count in the moments, 0 for others.
      near_c: [c] float32, near the mean: second moments about it lose no digits.
      scale_c, bias_c: [c] float32.
      epsilon: added to the variance.
      axis_name: of the device axis that is summed over, None alone.

    Returns:
      y like x, and [c] float32 mean and variance.
    """
    y, mean_c, var_c = cast(
        tuple[jax.Array, jax.Array, jax.Array],
        _normalised(epsilon, axis_name, x, weight_b, near_c, scale_c, bias_c),
    )
    return y, mean_c, var_c


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _normalised(epsilon: float, axis_name: str | None, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    return _forward(epsilon, axis_name, *arrays)[0]


def _forward(
    epsilon: float,
    axis_name: str | None,
    x: jax.Array,
    weight_b: jax.Array,
    near_c: jax.Array,
    scale_c: jax.Array,
    bias_c: jax.Array,
) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    """The outputs, and what the derivatives need of them."""
    axes = tuple(range(x.ndim - 1))
    count = _total(weight_b.sum(), axis_name) * (x.size // (x.shape[0] * x.shape[-1]))
    deviation = x.astype(jnp.float32) - _last(near_c, x)
    weighted = deviation * _first(weight_b, x)
    first_c = _total(weighted.sum(axes), axis_name)
    second_c = _total((weighted * deviation).sum(axes), axis_name)
    offset_c = first_c / count
    mean_c, var_c = near_c + offset_c, jnp.maximum(second_c / count - offset_c * offset_c, 0.0)
    inverse_c = jax.lax.rsqrt(var_c + epsilon)
    gain_c = inverse_c * scale_c
    y = (x.astype(jnp.float32) * _last(gain_c, x) + _last(bias_c - mean_c * gain_c, x)).astype(x.dtype)
    return (y, mean_c, var_c), (x, weight_b, mean_c, inverse_c, scale_c, count)


def _backward(
    epsilon: float, axis_name: str | None, residuals: tuple[jax.Array, ...], cotangents: tuple[jax.Array, ...]
) -> tuple[jax.Array, ...]:
    """The derivatives by x, weight_b, near_c, scale_c and bias_c; y does not depend on near_c."""
    del epsilon
    x, weight_b, mean_c, inverse_c, scale_c, count = residuals
    axes = tuple(range(x.ndim - 1))
    dy = cotangents[0].astype(jnp.float32)
    standard = (x.astype(jnp.float32) - _last(mean_c, x)) * _last(inverse_c, x)
    by_bias_c, by_scale_c = dy.sum(axes), (dy * standard).sum(axes)
    mean_dy_c, slope_c = _total(by_bias_c, axis_name) / count, _total(by_scale_c, axis_name) / count
    through_moments = _first(weight_b, x) * (_last(mean_dy_c, x) + standard * _last(slope_c, x))
    by_x = _last(inverse_c * scale_c, x) * (dy - through_moments)
    return by_x.astype(x.dtype), jnp.zeros_like(weight_b), jnp.zeros_like(mean_c), by_scale_c, by_bias_c


_normalised.defvjp(_forward, _backward)


def _total(of_device: jax.Array, axis_name: str | None) -> jax.Array:
    return of_device if axis_name is None else jax.lax.psum(of_device, axis_name)


def _last(vector_c: jax.Array, like: jax.Array) -> jax.Array:
    """[c] -> [1, ..., c]."""
    return vector_c.reshape(*(1,) * (like.ndim - 1), -1)


def _first(vector_b: jax.Array, like: jax.Array) -> jax.Array:
    """[b] -> [b, 1, ...]."""
    return vector_b.reshape(-1, *(1,) * (like.ndim - 1))
