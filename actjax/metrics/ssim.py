"""Structural similarity of two images on a common grid."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.inner import product
from actjax.similarity.arithmetic.scale import unit_scale
from actjax.types import NO_CONTEXT, Context, Metric, Together

WINDOWS = ("uniform", "gaussian")


class Image(NamedTuple):
    """A scaled image and its local moments.

    Attributes:
      image_ft: scaled to [0, 1] over valid frames.
      mean_vw, var_vw: local means and variances, of the windows that lie inside the image.
      weight_w: 1 where every frame of a window is valid, else 0; NaN throughout for a constant image.
    """

    image_ft: jax.Array
    mean_vw: jax.Array
    var_vw: jax.Array
    weight_w: jax.Array


def metric(*, window: str = "uniform", size: int | None = None, k1: float = 0.01, k2: float = 0.03) -> Metric:
    """Mean SSIM over all windows inside the images, each image min-max scaled to [0, 1] first.

        ssim = (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2)),  c = k^2

    with local means m and (co)variances s. Range [-1, 1], 0 for no structure in common, NaN for a
    constant image or where no window is valid. Symmetric, signed; not an inner product, so pairs are
    computed in tiles. On small grids the window shrinks to the largest odd size that fits, at least 3.

    It is blind to delays, and misses weak structure in noise. See docs/measurements/metric_benchmark.md.

    Args:
      window: "uniform" (sample covariance) or "gaussian" (deviation size / 7.33 cells: 1.5 for 11).
      size: odd number of cells on a side; None is 7 (uniform) or 11 (gaussian).
      k1, k2: the constants that keep the ratio stable.

    Raises:
      ValueError: an unknown window, or a size that is even or below 3.

    Reference: Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", 2004.
    """
    if window not in WINDOWS:
        raise ValueError(f"ssim expected window to be one of {WINDOWS}, got {window!r}")
    size = {"uniform": 7, "gaussian": 11}[window] if size is None else size
    if size < 3 or size % 2 == 0:
        raise ValueError(f"ssim expected an odd size of at least 3, got {size}")
    prepare = functools.partial(_prepare, window=window, size=size)
    return Metric(
        name="ssim",
        prepare_x=prepare,
        prepare_y=prepare,
        compare=functools.partial(_compare, window=window, size=size, c1=k1**2, c2=k2**2),
        views=("map",),
        range=(-1.0, 1.0, 0.0),
        reference="Wang et al. 2004",
        invariant_to=("scale", "shift"),
        observes="image",
        dot=False,
        pair_copies=6,
        options={"window": window, "size": size, "k1": k1, "k2": k2},
        cost="steps",
        order=5,
        together=Together(
            functools.partial(_prepare_all, window=window, size=size),
            functools.partial(_compare_all, window=window, size=size, c1=k1**2, c2=k2**2),
            lambda x, y, k: 2 * k * x[0] * x[1],
        ),
    )


def _prepare(values_ft: jax.Array, mask_t: jax.Array, context: Context, *, window: str, size: int):
    taps, correction = _taps(window, size, values_ft.shape)
    values_ft = values_ft * unit_scale(values_ft, mask_t[None, :])
    low = jnp.min(jnp.where(mask_t[None, :], values_ft, jnp.inf))
    high = jnp.max(jnp.where(mask_t[None, :], values_ft, -jnp.inf))
    spread = high - low
    scaled = jnp.where(mask_t[None, :], (values_ft - low) / jnp.where(spread > 0, spread, 1.0), 0.0)
    mean = _local_mean(scaled, taps)
    var = (_local_mean(scaled * scaled, taps) - mean * mean) * correction
    inside = _local_mean(jnp.broadcast_to(mask_t[None, :], values_ft.shape).astype(jnp.float32), taps)
    weight = (inside[0] > 1 - 1e-4).astype(jnp.float32)
    return Image(scaled, mean, var, jnp.where(spread > 0, weight, jnp.nan))


def _compare(px: Image, py: Image, *, window: str, size: int, c1: float, c2: float):
    taps, correction = _taps(window, size, px.image_ft.shape)
    ratio_vw = _ratios(px, py, _local_mean(px.image_ft * py.image_ft, taps), correction, c1, c2)
    return _mean_score(ratio_vw, px.weight_w * py.weight_w)


def _ratios(px: Image, py: Image, local: jax.Array, correction: float, c1: float, c2: float) -> jax.Array:
    """Of every window, from the local means of the products of both images."""
    means = px.mean_vw * py.mean_vw
    above = (2 * means + c1) * (2 * (local - means) * correction + c2)
    return above / ((px.mean_vw**2 + py.mean_vw**2 + c1) * (px.var_vw + py.var_vw + c2))


def _mean_score(ratios: jax.Array, weights: jax.Array) -> dict[str, jax.Array]:
    """The mean of ratios [v, ..., w] over the windows that count, by weights [..., w]."""
    total = jnp.sum(weights, -1) * len(ratios)
    score = jnp.sum(jnp.sum(ratios, 0) * weights, -1) / jnp.where(total > 0, total, 1.0)
    return {"score": jnp.where(total > 0, jnp.clip(score, -1.0, 1.0), jnp.nan)}


def _prepare_all(images_ift: jax.Array, mask_t: jax.Array, *, window: str, size: int) -> Image:
    """All images of a side."""
    prepare = functools.partial(_prepare, window=window, size=size)
    return jax.vmap(prepare, (0, None, None))(images_ift, mask_t, NO_CONTEXT)


def _compare_all(
    px: Image, py: Image, mask_t: jax.Array, *, window: str, size: int, c1: float, c2: float
) -> dict[str, jax.Array]:
    """`_compare` of all pairs: the windows' sums along the frames, then one product along the rows.

    XLA would add the former anew for each row of a window.
    """
    f, t = px.image_ft.shape[1:]
    taps, correction = _taps(window, size, (f, t))
    x, y = _rows_first(px, 2), _rows_first(py, 1)
    windows = t - taps.size + 1
    along = (
        float(w) * x.image_ft[..., i : i + windows] * y.image_ft[..., i : i + windows]
        for i, w in enumerate(taps)
    )
    summed = functools.reduce(jnp.add, along)
    local = product(jnp.asarray(_along_rows(taps, f)), summed.reshape(f, -1)).reshape(-1, *summed.shape[1:])
    ratios = _ratios(x, y, local, correction, c1, c2)
    return _mean_score(ratios, px.weight_w[:, None] * py.weight_w[None])


def _rows_first(images: Image, axis: int) -> Image:
    """Arrays [f, i, t] with one more axis, for the images of the other side."""
    image, mean, var = (jnp.expand_dims(jnp.swapaxes(array, 0, 1), axis) for array in images[:3])
    return Image(image, mean, var, images.weight_w)


def _along_rows(taps: np.ndarray, f: int) -> np.ndarray:
    """[f - size + 1, f] the matrix that takes windowed means of f rows."""
    start, row = np.arange(f - taps.size + 1)[:, None], np.arange(f)[None, :]
    inside = (row >= start) & (row < start + taps.size)
    return np.where(inside, taps[np.clip(row - start, 0, taps.size - 1)], 0).astype(np.float32)


def _taps(window: str, size: int, shape: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """The window's weights along one side, and the factor from variance to sample variance."""
    fits = min(size, *(side - 1 + side % 2 for side in shape))
    if fits < 3:
        raise ValueError(f"ssim expected images of at least 3 x 3 cells, got {shape[0]} x {shape[1]}")
    if window == "uniform":
        return np.full(fits, 1 / fits, np.float32), fits * fits / (fits * fits - 1)
    distance = np.arange(fits) - fits // 2
    weights = np.exp(-0.5 * (distance / (1.5 * size / 11)) ** 2)
    return (weights / weights.sum()).astype(np.float32), 1.0


def _local_mean(image_ft: jax.Array, taps: np.ndarray) -> jax.Array:
    """Weighted means over the windows that lie inside: [f - size + 1, t - size + 1]."""
    rows = image_ft.shape[0] - taps.size + 1
    columns = image_ft.shape[1] - taps.size + 1
    down = functools.reduce(jnp.add, (float(w) * image_ft[i : i + rows] for i, w in enumerate(taps)))
    return functools.reduce(jnp.add, (float(w) * down[:, i : i + columns] for i, w in enumerate(taps)))
