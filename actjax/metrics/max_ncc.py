"""The largest normalised cross-correlation over time lags and frequency shifts."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.arithmetic.inner import over_observations
from actjax.similarity.arithmetic.scale import unit_scale
from actjax.types import Context, Metric

VIEWS = ("map", "frame")
# Variance within an overlap below this share of the image's own is rounding.
LEAST_VARIANCE = 1e-5


# The largest correlation so far, its lag and its shift.
Best = tuple[jax.Array, jax.Array, jax.Array]


class Overlaps(NamedTuple):
    """An image, and how it lies in the overlap of every offset.

    Attributes:
      image_ft: less its mean, at a scale of its own, zero at invalid frames.
      mean_sl: the mean over the overlap, for each shift and lag.
      scale_sl: 1 / the deviation's length there; NaN where the offset does not count.
      cells_sl: the number of valid cells in the overlap.
    """

    image_ft: jax.Array
    mean_sl: jax.Array
    scale_sl: jax.Array
    cells_sl: jax.Array


def metric(*, view: str = "map", max_lag: int = 8, max_shift: int = 2, min_overlap: float = 0.5) -> Metric:
    """The largest Pearson correlation of the two images, one moved against the other.

        score = max over |lag| <= max_lag, |shift| <= max_shift of
                pearson over the overlap of x(f + shift, t + lag) and y(f, t)

    with means and deviations taken over the overlapping valid cells of each offset. A positive lag means
    that the neuron comes later than the feature, a positive shift that it lies higher. Of equal maxima the
    one nearest to no offset is taken. Range [-1, 1]; being a maximum it is above 0 by chance: compare with
    the null. NaN where no offset leaves both sides with variance. The score is symmetric (lag and shift
    change their signs), signed; each offset is one matrix product. Per clip.

    It misses no distortion of the benchmark, but as a maximum over offsets it is far above 0 by chance, so
    its null must search as well. See docs/measurements/metric_benchmark.md.

    Args:
      view: "map" (images with the same rows), or "frame" (one series a side; there is no shift).
      max_lag: largest lag, in frames, both ways.
      max_shift: largest shift, in rows, both ways.
      min_overlap: offsets that leave a smaller share of the valid cells do not count.

    Returns:
      A Metric with outputs score, lag (frames) and shift (rows).

    Raises:
      ValueError: an unknown view, a negative lag or shift, or a min_overlap outside of (0, 1].

    Reference: J. Lewis, "Fast normalized cross-correlation", 1995.
    """
    if view not in VIEWS:
        raise ValueError(f"max_ncc expected view to be one of {VIEWS}, got {view!r}")
    if max_lag < 0 or max_shift < 0:
        raise ValueError(f"max_ncc expected lags and shifts of at least 0, got {max_lag} and {max_shift}")
    if not 0 < min_overlap <= 1:
        raise ValueError(f"max_ncc expected min_overlap in (0, 1], got {min_overlap}")
    series = view == "frame"
    offsets = {"max_lag": max_lag, "max_shift": 0 if series else max_shift}
    prepare = functools.partial(_prepare, min_overlap=min_overlap, **offsets)
    return Metric(
        name="max_ncc",
        prepare_x=functools.partial(prepare, sign=1),
        prepare_y=functools.partial(prepare, sign=-1),
        compare=functools.partial(_compare, **offsets),
        views=(view,),
        range=(-1.0, 1.0, 0.0),
        reference="Lewis 1995",
        invariant_to=("scale", "shift"),
        observes="vector" if series else "image",
        dot=False,
        pair_copies=1,
        min_observations=8,
        outputs=("score", "lag", "shift"),
        options={"view": view, "max_lag": max_lag, "max_shift": max_shift, "min_overlap": min_overlap},
        cost="steps",
    )


def _prepare(
    values_ft: jax.Array,
    mask_t: jax.Array,
    context: Context,
    *,
    sign: int,
    max_lag: int,
    max_shift: int,
    min_overlap: float,
):
    values_ft = jnp.atleast_2d(values_ft)
    image_ft = _centred(values_ft * unit_scale(values_ft, mask_t[None, :]), mask_t)
    image_ft = image_ft * unit_scale(image_ft)
    valid_ft = jnp.broadcast_to(mask_t.astype(image_ft.dtype)[None, :], image_ft.shape)
    around = jnp.pad(valid_ft, ((max_shift, max_shift), (max_lag, max_lag)))
    least = jnp.maximum(min_overlap * jnp.sum(valid_ft), 3.0)
    whole = jnp.sum(image_ft**2)

    def overlap(offset: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        # What this side shows at an offset is where the other one, moved, has valid cells.
        start = (max_shift - sign * offset[0], max_lag - sign * offset[1])
        seen_ft = valid_ft * jax.lax.dynamic_slice(around, start, valid_ft.shape)
        cells = jnp.sum(seen_ft)
        mean = jnp.sum(seen_ft * image_ft) / jnp.maximum(cells, 1)
        squares = jnp.sum(seen_ft * (image_ft - mean) ** 2)
        counts = (cells >= least) & (whole > 0) & (squares > LEAST_VARIANCE * whole)
        return mean, jnp.where(counts, 1 / jnp.sqrt(jnp.where(counts, squares, 1.0)), jnp.nan), cells

    shifts, lags = _nearest_first(max_shift), _nearest_first(max_lag)
    offsets = jnp.asarray([(shift, lag) for shift in shifts for lag in lags], jnp.int32)
    mean, scale, cells = (
        of_offsets.reshape(len(shifts), len(lags)) for of_offsets in jax.lax.map(overlap, offsets)
    )
    return Overlaps(image_ft, mean, scale, cells)


def _compare(px: Overlaps, py: Overlaps, *, max_lag: int, max_shift: int) -> dict[str, jax.Array]:
    f, t = px.image_ft.shape
    lags = _nearest_first(max_lag)
    around = jnp.pad(py.image_ft, ((max_shift, max_shift), (max_lag, max_lag)))

    def add(best: Best, item: tuple[jax.Array, ...]) -> tuple[Best, None]:
        shift, x_mean_l, x_scale_l, y_mean_l, y_scale_l, cells_l = item
        rows = jax.lax.dynamic_slice_in_dim(around, max_shift - shift, f, axis=0)
        moved_lft = jnp.stack([rows[:, max_lag - lag : max_lag - lag + t] for lag in lags])
        products_l = over_observations(_products, (moved_lft, -1), (px.image_ft, -1))
        ncc_l = (products_l - cells_l * x_mean_l * y_mean_l) * x_scale_l * y_scale_l
        ncc_l = jnp.where(jnp.isnan(ncc_l), -jnp.inf, ncc_l)
        at = jnp.argmax(ncc_l)
        here = (ncc_l[at], jnp.asarray(lags, jnp.float32)[at], shift.astype(jnp.float32))
        better = here[0] > best[0]
        return jax.tree.map(lambda new, old: jnp.where(better, new, old), here, best), None

    undefined = jnp.full((), jnp.nan, jnp.float32)
    nothing = (jnp.full((), -jnp.inf, jnp.float32), undefined, undefined)
    shifts = jnp.asarray(_nearest_first(max_shift), jnp.int32)
    items = (shifts, px.mean_sl, px.scale_sl, py.mean_sl, py.scale_sl, px.cells_sl)
    (score, lag, shift), _ = jax.lax.scan(add, nothing, items)
    score = jnp.where(jnp.isfinite(score), jnp.clip(score, -1.0, 1.0), jnp.nan)
    return {"score": score, "lag": lag, "shift": shift}


def _products(moved_lft: jax.Array, image_ft: jax.Array) -> jax.Array:
    return jnp.einsum("lft,ft->l", moved_lft, image_ft, precision=PRECISION)


def _centred(values_ft: jax.Array, mask_t: jax.Array) -> jax.Array:
    """Less the mean over all valid cells."""
    inside_ft = jnp.broadcast_to(mask_t[None, :], values_ft.shape)
    return deviations(values_ft.ravel(), inside_ft.ravel()).values.reshape(values_ft.shape)


def _nearest_first(most: int) -> list[int]:
    """0, 1, -1, 2, -2 ..."""
    return [0, *(sign * i for i in range(1, most + 1) for sign in (1, -1))]
