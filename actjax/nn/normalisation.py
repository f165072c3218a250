"""Normalises each channel by its moments, reading the maps twice forward and twice backward."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def normalised(
    x: jax.Array,
    weight_b: jax.Array,
    about_c: jax.Array,
    scale_c: jax.Array,
    bias_c: jax.Array,
    epsilon: float,
    axis_name: str | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """y = (x - mean) / sqrt(var + epsilon) * scale + bias of narrow floats, with moments in float32.

    Derivatives by hand read as little as can be; automatic ones of the moments take three passes more. No
    derivative goes through the moments that are returned.

    Args:
      x: [b, ..., c].
      weight_b: [b] float32, 1 for clips that count in the moments, 0 for others.
      about_c: [c] float32, near the mean: second moments about it lose no digits.
      scale_c, bias_c: [c] float32.
      epsilon: added to the variance.
      axis_name: of the device axis that is summed over, None alone.

    Returns:
      y as x, and [c] float32 mean and variance over all that count.
    """
    outputs, _ = _forward(x, weight_b, about_c, scale_c, bias_c, epsilon, axis_name)
    return outputs


def _forward(x, weight_b, about_c, scale_c, bias_c, epsilon, axis_name):
    axes = tuple(range(x.ndim - 1))
    count = _total(weight_b.sum(), axis_name) * (x.size // (x.shape[0] * x.shape[-1]))
    deviation = x.astype(jnp.float32) - _last(about_c, x)
    weighted = deviation * _first(weight_b, x)
    first_c, second_c = _total((weighted.sum(axes), (weighted * deviation).sum(axes)), axis_name)
    offset_c = first_c / count
    mean_c = about_c + offset_c
    var_c = jnp.maximum(second_c / count - offset_c * offset_c, 0.0)
    inverse_c = jax.lax.rsqrt(var_c + epsilon)
    gain_c = inverse_c * scale_c
    y = (x.astype(jnp.float32) * _last(gain_c, x) + _last(bias_c - mean_c * gain_c, x)).astype(x.dtype)
    return (y, mean_c, var_c), (x, weight_b, mean_c, inverse_c, scale_c, count)


def _backward(epsilon, axis_name, residuals, cotangents):
    del epsilon
    x, weight_b, mean_c, inverse_c, scale_c, count = residuals
    axes = tuple(range(x.ndim - 1))
    dy = cotangents[0].astype(jnp.float32)
    normal = (x.astype(jnp.float32) - _last(mean_c, x)) * _last(inverse_c, x)
    bias_c, scaled_c = dy.sum(axes), (dy * normal).sum(axes)
    of_mean_c, of_scale_c = _total((bias_c, scaled_c), axis_name)
    through = _last(of_mean_c / count, x) + normal * _last(of_scale_c / count, x)
    dx = _last(inverse_c * scale_c, x) * (dy - _first(weight_b, x) * through)
    zeros_b, zeros_c = jnp.zeros_like(weight_b), jnp.zeros_like(mean_c)
    return dx.astype(x.dtype), zeros_b, zeros_c, scaled_c, bias_c


normalised.defvjp(_forward, _backward)


def _total(tree, axis_name):
    return tree if axis_name is None else jax.lax.psum(tree, axis_name)


def _last(vector_c, like):
    """[c] -> [1, ..., c]."""
    return vector_c.reshape(*(1,) * (like.ndim - 1), -1)


def _first(vector_b, like):
    """[b] -> [b, 1, ...]."""
    return vector_b.reshape(-1, *(1,) * (like.ndim - 1))
