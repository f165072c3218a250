"""Normalises each channel by its moments, reading the maps twice forward and twice backward."""

import functools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp

from actjax.nn.windows import each_cell, spread


def normalised(
    x: jax.Array,
    weight_b: jax.Array,
    near_c: jax.Array | None,
    scale_c: jax.Array,
    bias_c: jax.Array,
    *,
    epsilon: float,
    axis_name: str | None,
    window: tuple[int, int] = (1, 1),
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """y = (x - mean) / sqrt(var + epsilon) * scale + bias, with moments in float32 over clips and devices.

    With a window, y is the largest of each window's. It grows with x or falls with it, as the sign of scale
    says, so the window's largest or smallest x is picked and nothing but x is read in full.

    Its derivatives are written by hand: automatic ones of the moments read the maps three times more. None
    goes through the moments that are returned. Equal largest values of a window share its derivative.

    Args:
      x: [b, ..., c], of any floating type; [b, f, t, c] with a window.
      weight_b: [b] float32, 1 for clips that count in the moments, 0 for others.
      near_c: [c] float32, near the mean: second moments about it lose no digits. None takes the mean itself,
        in a pass of its own.
      scale_c, bias_c: [c] float32.
      epsilon: added to the variance.
      axis_name: of the device axis that is summed over, None alone.
      window: cells along f and t, side by side; what they leave over at the end is in the moments alone.

    Returns:
      y like x, or [b, f // window, t // window, c], and [c] float32 mean and variance.
    """
    y, mean_c, var_c = cast(
        tuple[jax.Array, jax.Array, jax.Array],
        _normalised((epsilon, axis_name, window), x, weight_b, near_c, scale_c, bias_c),
    )
    return y, mean_c, var_c


# How: epsilon, axis_name and window of `normalised`.
_How = tuple[float, str | None, tuple[int, int]]


class _Residuals(NamedTuple):
    """What the derivatives need of the way forward; `chosen` with a window only."""

    x: jax.Array
    chosen: jax.Array | None
    weight_b: jax.Array
    near_c: jax.Array | None
    mean_c: jax.Array
    inverse_c: jax.Array
    scale_c: jax.Array
    count: jax.Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalised(
    how: _How,
    x: jax.Array,
    weight_b: jax.Array,
    near_c: jax.Array | None,
    scale_c: jax.Array,
    bias_c: jax.Array,
) -> tuple[jax.Array, ...]:
    return _forward(how, x, weight_b, near_c, scale_c, bias_c)[0]


def _forward(
    how: _How,
    x: jax.Array,
    weight_b: jax.Array,
    near_c: jax.Array | None,
    scale_c: jax.Array,
    bias_c: jax.Array,
) -> tuple[tuple[jax.Array, ...], _Residuals]:
    """The outputs, and what the derivatives need of them."""
    epsilon, axis_name, window = how
    count = _total(weight_b.sum(), axis_name) * (x.size // (x.shape[0] * x.shape[-1]))
    if near_c is None:
        mean_c, var_c = _moments_in_turn(x, weight_b, count, axis_name)
    else:
        mean_c, var_c = _moments_at_once(x, weight_b, near_c, count, axis_name)
    inverse_c = jax.lax.rsqrt(var_c + epsilon)
    gain_c = inverse_c * scale_c
    chosen = _chosen(x, scale_c, window)
    y = (chosen.astype(jnp.float32) * _last(gain_c, x) + _last(bias_c - mean_c * gain_c, x)).astype(x.dtype)
    picked = None if chosen is x else chosen
    return (y, mean_c, var_c), _Residuals(x, picked, weight_b, near_c, mean_c, inverse_c, scale_c, count)


def _backward(
    how: _How, residuals: _Residuals, cotangents: tuple[jax.Array, ...]
) -> tuple[jax.Array | None, ...]:
    """The derivatives by x, weight_b, near_c, scale_c and bias_c; y does not depend on near_c."""
    _, axis_name, window = how
    x, axes = residuals.x, tuple(range(residuals.x.ndim - 1))
    chosen = x if residuals.chosen is None else residuals.chosen

    def standard(values: jax.Array) -> jax.Array:
        return (values.astype(jnp.float32) - _last(residuals.mean_c, x)) * _last(residuals.inverse_c, x)

    dy = cotangents[0].astype(jnp.float32)
    by_bias_c, by_scale_c = dy.sum(axes), (dy * standard(chosen)).sum(axes)
    mean_dy_c, slope_c = (_total(by_c, axis_name) / residuals.count for by_c in (by_bias_c, by_scale_c))
    through_moments = _first(residuals.weight_b, x) * (_last(mean_dy_c, x) + standard(x) * _last(slope_c, x))
    if chosen is not x:
        equal = functools.reduce(
            jnp.add, [(cell == chosen).astype(dy.dtype) for cell in each_cell(x, window)]
        )
        dy = jnp.where(x == spread(chosen, window, x.shape), spread(dy / equal, window, x.shape), 0)
    by_x = _last(residuals.inverse_c * residuals.scale_c, x) * (dy - through_moments)
    none = jax.tree.map(jnp.zeros_like, (residuals.weight_b, residuals.near_c))
    return by_x.astype(x.dtype), *none, by_scale_c, by_bias_c


_normalised.defvjp(_forward, _backward)


def _chosen(x: jax.Array, scale_c: jax.Array, window: tuple[int, int]) -> jax.Array:
    """Of each window the x that is normalised to the largest y."""
    if window == (1, 1):
        return x
    cells = each_cell(x, window)
    largest, smallest = functools.reduce(jnp.maximum, cells), functools.reduce(jnp.minimum, cells)
    return jnp.where(_last(scale_c, x) < 0, smallest, largest)


def _moments_at_once(
    x: jax.Array, weight_b: jax.Array, near_c: jax.Array, count: jax.Array, axis_name: str | None
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance from moments about `near_c`, for devices that sum both in one pass."""
    axes = tuple(range(x.ndim - 1))
    deviation = x.astype(jnp.float32) - _last(near_c, x)
    weighted = deviation * _first(weight_b, x)
    first_c = _total(weighted.sum(axes), axis_name)
    second_c = _total((weighted * deviation).sum(axes), axis_name)
    offset_c = first_c / count
    return near_c + offset_c, jnp.maximum(second_c / count - offset_c * offset_c, 0.0)


def _moments_in_turn(
    x: jax.Array, weight_b: jax.Array, count: jax.Array, axis_name: str | None
) -> tuple[jax.Array, jax.Array]:
    """The mean, and then the centred variance.

    Each clip is summed before it is weighed: XLA on a CPU would write out the weights of all cells.
    """

    def mean(values: jax.Array) -> jax.Array:
        of_clip_bc = values.sum(tuple(range(1, x.ndim - 1)))
        return _total((of_clip_bc * weight_b[:, None]).sum(0), axis_name) / count

    mean_c = mean(x.astype(jnp.float32))
    deviation = x.astype(jnp.float32) - _last(mean_c, x)
    return mean_c, mean(deviation * deviation)


def _total(of_device: jax.Array, axis_name: str | None) -> jax.Array:
    return of_device if axis_name is None else jax.lax.psum(of_device, axis_name)


def _last(vector_c: jax.Array, like: jax.Array) -> jax.Array:
    """[c] -> [1, ..., c]."""
    return vector_c.reshape(*(1,) * (like.ndim - 1), -1)


def _first(vector_b: jax.Array, like: jax.Array) -> jax.Array:
    """[b] -> [b, 1, ...]."""
    return vector_b.reshape(-1, *(1,) * (like.ndim - 1))
