"""Debiased cka of all pairs of two sides at once, mostly without a matrix of frames for each neuron.

K = x'x and L = y'y are the products of m centred frames, d and e their diagonals, and ' is U-centring:

    <K', L'> = |x y'|^2 - m / (m - 2) sum_t d_t e_t + sum(d) sum(e) / ((m - 1) (m - 2))     ("bands")
             = sum over the rows r of x: r L' r'                                            ("matrices of y")
             = the inner product of both matrices                                           ("matrices")

The first two cost f g t and f t^2 operations a pair instead of some fifty t^2 a neuron. The first holds the
diagonal and takes it off again, and so does |K'|^2 where it is made alike: where a few loud frames make
most of |K|^2, float32 loses the digits of what is left. Neurons of which U-centring leaves little are
therefore scored again, by matrices, in a loop that has no round where there are none.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.inner import product
from actjax.similarity.families.frames import centred_products, frames_that_count, unit_frames
from actjax.similarity.families.vectors import Scaled, cosine_of
from actjax.similarity.host.threads import at_least_one
from actjax.similarity.tiles import IMAGE_TILE_BYTES

# The least share of |K|^2 that U-centring leaves, for sums over bands: these err by 1e-7 of |K|^2, and so a
# score by that over the share.
LEAST_LEFT = 1 / 8
# What a cell costs beside its products, in multiplications: it is written, read and squared.
_CELL = 12
# The same of a matrix, which is written, squared and read again.
_MATRIX_CELL = 48


class Images(NamedTuple):
    """The images of one side, i of them.

    Attributes:
      values_ift: rows centred, at a scale of their own.
      diagonal_it: of K.
      square_i: |K'|^2.
      left_i: the share of |K|^2 that it is; 1 for constant images.
    """

    values_ift: jax.Array
    diagonal_it: jax.Array
    square_i: jax.Array
    left_i: jax.Array


def prepare(values_ift: jax.Array, mask_t: jax.Array) -> Images:
    """All images of one side; for `Together`."""
    x = jax.vmap(unit_frames, (0, None))(values_ift, mask_t)
    diagonal = jnp.sum(x**2, 1)
    # |x'x| = |x x'|: whichever is smaller.
    turned = jnp.swapaxes(x, 1, 2)
    whole = _squares(product(x, turned) if x.shape[1] <= x.shape[2] else product(turned, x))
    total = jnp.sum(diagonal, 1)
    square = _less_diagonals(whole, jnp.sum(diagonal**2, 1), total * total, mask_t)
    left = jnp.where(whole > 0, square / jnp.where(whole > 0, whole, 1.0), 1.0)
    return Images(x, diagonal, jnp.where(whole > 0, square, jnp.nan), left)


def compare(px: Images, py: Images, mask_t: jax.Array) -> dict[str, jax.Array]:
    """{"score": [n, k]}; for `Together`."""
    (n, f, t), (k, g, _) = px.values_ift.shape, py.values_ift.shape
    way = cheapest(f, g, t, k)
    if way == "matrices":
        nothing = jnp.full((n, k), jnp.nan, px.square_i.dtype)
        return {"score": _by_matrices(nothing, jnp.ones((n,), bool), px, py, mask_t)}
    if way == "bands":
        cross = _by_bands(px, py, mask_t)
        scale_k = 1 / jnp.sqrt(jnp.maximum(py.square_i, 0.0))
        little = jnp.minimum(px.left_i, jnp.min(py.left_i)) < LEAST_LEFT
    else:
        cross, scale_k = _by_matrices_of_y(px, py, mask_t)
        little = px.left_i < LEAST_LEFT
    scores = cross / jnp.sqrt(jnp.maximum(px.square_i, 0.0))[:, None] * scale_k[None, :]
    scores = jnp.clip(scores, -1.0, 1.0)
    exact = jax.lax.cond(
        jnp.any(little), lambda: _by_matrices(scores, little, px, py, mask_t), lambda: scores
    )
    return {"score": exact}


def numbers(x: Sequence[int], y: Sequence[int], k: int) -> int:
    """The numbers that a neuron's image takes among k images, of these shapes; for `Together`."""
    (f, t), (g, _) = x, y
    return f * (2 * t + k * {"bands": g, "matrices of y": t, "matrices": 0}[cheapest(f, g, t, k)])


def cheapest(f: int, g: int, t: int, k: int) -> str:
    """The way that takes the fewest operations for images of f rows against k of g rows, of t frames."""
    costs = {
        "bands": f * k * g * (t + _CELL),
        "matrices of y": f * k * t * (t + _CELL),
        "matrices": t * t * (f + k + _MATRIX_CELL),
    }
    return min(costs, key=costs.__getitem__)


def _less_diagonals(
    whole: jax.Array, of_both: jax.Array, of_totals: jax.Array, mask_t: jax.Array
) -> jax.Array:
    """<K', L'> from <K, L>, <d, e> and sum(d) sum(e)."""
    m = frames_that_count(mask_t, whole.dtype)
    return whole - m / (m - 2) * of_both + of_totals / ((m - 1) * (m - 2))


def _by_bands(px: Images, py: Images, mask_t: jax.Array) -> jax.Array:
    """[n, k] <K', L'> from the products of bands."""
    (n, f, t), (k, g, _) = px.values_ift.shape, py.values_ift.shape
    of_bands = product(px.values_ift.reshape(n * f, t), py.values_ift.reshape(k * g, t).T)
    # One band of x after the other: a CPU adds those of y side by side.
    squares = jnp.sum(of_bands.reshape(n, f, k * g) ** 2, 1)
    whole = jnp.sum(squares.reshape(n, k, g), 2)
    totals = jnp.sum(px.diagonal_it, 1)[:, None] * jnp.sum(py.diagonal_it, 1)[None, :]
    return _less_diagonals(whole, product(px.diagonal_it, py.diagonal_it.T), totals, mask_t)


def _by_matrices_of_y(px: Images, py: Images, mask_t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """([n, k] <K, L'>, [k] the factors that give L' length 1)."""
    (n, f, t), k = px.values_ift.shape, len(py.values_ift)
    centred = jax.vmap(centred_products, (0, None))(py.values_ift, mask_t)
    turned = product(px.values_ift.reshape(n * f, t), centred.vector.reshape(k * t, t).T)
    over_rows = jnp.sum(turned.reshape(n, f, k, t) * px.values_ift[:, :, None, :], 1)
    return jnp.sum(over_rows, 2), centred.scale


def _by_matrices(
    scores_nk: jax.Array, which_n: jax.Array, px: Images, py: Images, mask_t: jax.Array
) -> jax.Array:
    """[n, k] the scores with those of some neurons from both matrices, as many at a time as a cache holds."""
    n, t = len(which_n), px.values_ift.shape[2]
    centred: Callable[..., Scaled] = jax.vmap(centred_products, (0, None))
    rows = centred(py.values_ift, mask_t)
    together = min(n, at_least_one(IMAGE_TILE_BYTES, 4 * t * t))
    places_n, count = jnp.arange(n), jnp.sum(which_n)
    # The places of those neurons first; a sort would take a second to compile.
    behind_n = jnp.sum(which_n[None, :] & (places_n[None, :] < places_n[:, None]), 1)
    stands_nn = (behind_n[None, :] == places_n[:, None]) & which_n[None, :]
    first_those = jnp.sum(jnp.where(stands_nn, places_n[None, :], 0), 1)

    def score(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        done, scores = state
        those = jax.lax.dynamic_slice_in_dim(first_those, done, together)
        neurons = centred(px.values_ift[those], mask_t)
        exact = jax.vmap(jax.vmap(cosine_of, (None, 0)), (0, None))(neurons, rows)
        exact = jnp.where(which_n[those][:, None], exact, scores[those])
        return done + together, scores.at[those].set(exact)

    start = jnp.zeros((), count.dtype)
    return jax.lax.while_loop(lambda state: state[0] < count, score, (start, scores_nk))[1]


def _squares(values: jax.Array) -> jax.Array:
    """Sums of squares over the last two axes, row after row."""
    return jnp.sum(jnp.sum(values**2, -2), -1)
