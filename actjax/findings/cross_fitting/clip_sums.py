"""Sums neurons and rows in each clip; the scores of any weighting of clips are then one matrix product."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.statistics import moments
from actjax.statistics.compiled import compiled, one_by_one

centred = compiled(moments.centred, static_argnames="centre")


class Table(NamedTuple):
    """Sums in each clip for every pair; scores of any weighting follow from them.

    Attributes:
      xy: [b, n, k] sums of products; per-clip scores, 0 where undefined, if `xx` is None.
      xx: [b, n] (or [b, n, k]) sums of squares of the neurons, or None for means of per-clip scores.
      yy: [b, n, k] sums of squares of the feature rows; 1 where a per-clip score is defined.
      known: for the share of what is known, the table [b, 1, k] of the layer's prediction of each row from
        all units, whose own `known` is None.
    """

    xy: np.ndarray
    xx: np.ndarray | None
    yy: np.ndarray
    known: "Table | None" = None


def clip_sums(x_bon: np.ndarray, y_bok: np.ndarray, mask_bo: np.ndarray, *, centre: str = "clip") -> Table:
    """Sums in each clip of all pairs of neurons [b, o, n] and rows [b, o, k].

    Args:
      x_bon, y_bok, mask_bo: sides as in `nulls.moment_null`.
      centre: "clip" removes each clip's own mean; "none" leaves values that are centred already.
    """
    xy, xx, yy = (np.asarray(v, np.float64) for v in _clip_sums(x_bon, y_bok, mask_bo, centre=centre))
    return Table(xy, xx, np.broadcast_to(yy[:, None, :], xy.shape))


def rotated_sums(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    mask_bo: np.ndarray,
    rotations_qnn: np.ndarray,
    *,
    centre: str = "clip",
) -> list[Table]:
    """`clip_sums` of the standardised neurons under each of q rotations, from one pass over them."""
    xy, xx, yy = (
        np.asarray(v, np.float64) for v in _rotated_sums(x_bon, y_bok, mask_bo, rotations_qnn, centre=centre)
    )
    yy = np.broadcast_to(yy[:, None, :], xy.shape[1:])
    return [Table(products, squares, yy) for products, squares in zip(xy, xx, strict=True)]


def clip_means(scores_bnk: np.ndarray) -> Table:
    """The table of a metric that is computed in each clip and averaged over clips; NaN is undefined."""
    scores = np.asarray(scores_bnk, np.float64)
    valid = ~np.isnan(scores)
    return Table(np.where(valid, scores, 0.0), None, valid.astype(np.float64))


def squares(table: Table) -> np.ndarray:
    """[b, n] the neurons' sums of squares, of a table that is no means of per-clip scores."""
    if table.xx is None:
        raise TypeError("expected sums of products, got scores of clips")
    return table.xx


def join(tables: Sequence[Table]) -> Table:
    """Candidates of several layers, one after another."""
    xx = None if tables[0].xx is None else np.concatenate([squares(t) for t in tables], axis=1)
    xy, yy = (np.concatenate([getattr(t, name) for t in tables], axis=1) for name in ("xy", "yy"))
    return Table(xy, xx, yy, tables[0].known)


def scores(table: Table, weights_wb: np.ndarray) -> np.ndarray:
    """[w, n, k] correlations (or means) in which clip b counts weights_wb[w, b] times; NaN if undefined."""
    xy, yy = (_weighted(weights_wb, sums) for sums in (table.xy, table.yy))
    norm = yy
    if table.xx is not None:
        xx = _weighted(weights_wb, table.xx)
        norm = np.sqrt((xx if xx.ndim == 3 else xx[:, :, None]) * yy)
    return np.divide(xy, norm, out=np.full(xy.shape, np.nan), where=norm > 0)


@functools.partial(compiled, static_argnames="centre")
def _clip_sums(
    x: jax.Array, y: jax.Array, mask: jax.Array, *, centre: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    of_all = moments.largest(x, mask), moments.largest(y, mask)

    def ready(side_ov: jax.Array, mask_o: jax.Array, largest_v: jax.Array) -> jax.Array:
        values = moments.scaled(side_ov[None], mask_o[None], largest_v)
        return (moments.less_means(values, mask_o[None], (1,)) if centre == "clip" else values)[0]

    def of_clip(clip: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[tuple[jax.Array, ...], ...]:
        sides = [ready(side, clip[2], largest) for side, largest in zip(clip[:2], of_all, strict=True)]
        xy = jnp.matmul(sides[0].T, sides[1], precision=PRECISION)
        return (xy, *((side**2).sum(axis=0) for side in sides)), tuple(jnp.abs(s).max(axis=0) for s in sides)

    (xy, xx, yy), left = one_by_one(of_clip, (x, y, mask))
    if centre == "none":
        return xy, xx, yy
    # As `moments.centred` scales what is left, which is known once all clips were seen.
    x_n, y_k = (
        jnp.where(moments.varies(of := one.max(axis=0)), 1 / jnp.maximum(of, 1e-30), 0) for one in left
    )
    return xy * (x_n[:, None] * y_k[None, :])[None], xx * (x_n**2)[None], yy * (y_k**2)[None]


@functools.partial(compiled, static_argnames="centre")
def _rotated_sums(
    x: jax.Array, y: jax.Array, mask: jax.Array, rotations: jax.Array, *, centre: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, y = moments.standardised(x, mask, centre), moments.centred(y, mask, centre)
    q, n = rotations.shape[:2]
    side_by_side = rotations.transpose(1, 0, 2).reshape(n, q * n)

    def squares(x_on: jax.Array) -> jax.Array:
        turned = jnp.matmul(x_on, side_by_side, precision=PRECISION)
        return (turned**2).sum(axis=0)

    xy = jnp.einsum("bon,bok->bnk", x, y, precision=PRECISION)
    xx = jax.lax.map(squares, x).reshape(-1, q, n).transpose(1, 0, 2)
    return jnp.einsum("bnk,qnm->qbmk", xy, rotations, precision=PRECISION), xx, (y**2).sum(axis=1)


def _weighted(weights_wb: np.ndarray, sums: np.ndarray) -> np.ndarray:
    flat = sums.reshape(len(sums), -1)
    return (np.asarray(weights_wb, np.float64) @ flat).reshape(len(weights_wb), *sums.shape[1:])
