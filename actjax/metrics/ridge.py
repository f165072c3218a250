"""How well a neuron is predicted by all rows of a feature together."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.accumulators import folds as accumulators_folds
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.inner import long_product
from actjax.similarity.arithmetic.scale import unit_scale
from actjax.similarity.families.ridge import Neuron, cross_validated, row_scales, scaled_rows
from actjax.types import Accumulator, Context, Metric


class PreparedNeuron(NamedTuple):
    """Deviations [o] from the means [p] of its folds, and their sums of squares [p]."""

    deviations_o: jax.Array
    mean_p: jax.Array
    xx_p: jax.Array


class PreparedFeature(NamedTuple):
    """Deviations [o, k] from the folds' means, and which observations [p, o] make a fold."""

    deviations_ok: jax.Array
    mean_pk: jax.Array
    weights_po: jax.Array


def metric(
    *, folds: int = 5, penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
) -> Metric:
    """R2 and r of the neuron predicted on held-out clips by ridge regression on all rows of the feature.

        w = argmin sum_o (x_o - w y_o - c)^2 + penalty o |w|^2,  rows y scaled to unit variance
        score = R2 = 1 - sum_o (x_o - prediction_o)^2 / sum_o (x_o - mean x)^2,  r = pearson(x, prediction)

    over all observations, each predicted by a regression on the other folds. Folds are the context's, else
    made by clip id, else stretches of the observations' order: neighbouring frames resemble each other
    and must not stand on both sides. The penalty is chosen in each training set by its own inner folds
    (least squared error). Range (-inf, 1], 0 for no prediction better than the mean, NaN where the neuron
    or the whole feature is constant, or where fewer than three folds hold observations (two with a single
    penalty). Not symmetric, no sign. Scores a whole feature; the factorisations are the feature's, one
    for each training set; streams exactly through moments of each fold.

    It says nothing of single rows: any row may carry the prediction. See
    docs/measurements/metric_benchmark.md.

    Args:
      folds: number of folds, at least 3 (2 with a single penalty).
      penalties: candidates, positive, relative to the number of observations.

    Raises:
      ValueError: too few folds, or a penalty that is not positive.

    References: A. Hoerl, R. Kennard, "Ridge regression: biased estimation for nonorthogonal problems",
    1970; T. Naselaris, K. Kay, S. Nishimoto, J. Gallant, "Encoding and decoding in fMRI", 2011.
    """
    penalties = tuple(float(penalty) for penalty in penalties)
    if not penalties or min(penalties) <= 0:
        raise ValueError(f"ridge expected positive penalties, got {penalties}")
    if folds < (3 if len(penalties) > 1 else 2):
        raise ValueError(f"ridge expected at least 3 folds (2 with a single penalty), got {folds}")
    return Metric(
        name="ridge",
        prepare_x=functools.partial(_prepare_x, folds=folds),
        prepare_y=functools.partial(_prepare_y, folds=folds),
        compare=functools.partial(_compare, penalties=penalties),
        views=("clip", "frame"),
        range=(-math.inf, 1.0, 0.0),
        reference="Hoerl and Kennard 1970; Naselaris et al. 2011",
        invariant_to=("scale", "shift"),
        level="feature",
        within="pooled",
        symmetric=False,
        signed=False,
        dot=False,
        min_observations=2 * folds,
        accumulator=Accumulator(
            f"fold_moments_{folds}",
            functools.partial(accumulators_folds.init, folds),
            accumulators_folds.update,
            accumulators_folds.merge,
            functools.partial(_finalize, penalties=penalties),
        ),
        outputs=("score", "r"),
        options={"folds": folds, "penalties": penalties},
        cost="steps",
    )


def _prepare_x(values_o: jax.Array, mask_o: jax.Array, context: Context, *, folds: int):
    weights_po = accumulators_folds.fold_weights(mask_o, context, folds)
    values_o = values_o * unit_scale(values_o, mask_o)
    side = accumulators_folds.fold_side(values_o[:, None], mask_o, weights_po)
    deviations_o = side.deviations_ov[:, 0]
    xx_p = long_product(weights_po, side.deviations_ov**2)[:, 0]
    return PreparedNeuron(deviations_o, side.mean_pv[:, 0], xx_p)


def _prepare_y(values_ok: jax.Array, mask_o: jax.Array, context: Context, *, folds: int):
    weights_po = accumulators_folds.fold_weights(mask_o, context, folds)
    values_ok = values_ok * unit_scale(values_ok, mask_o[:, None], axis=0)
    side = accumulators_folds.fold_side(values_ok, mask_o, weights_po)
    return PreparedFeature(side.deviations_ov, side.mean_pv, weights_po)


def _compare(
    px: PreparedNeuron, py: PreparedFeature, *, penalties: tuple[float, ...]
) -> dict[str, jax.Array]:
    count_p = jnp.sum(py.weights_po, 1)
    inside = [py.deviations_ok * weight_o[:, None] for weight_o in py.weights_po]
    yy_pkk = jnp.stack([accumulators_folds.cross_products(y, y) for y in inside])
    x_ov = px.deviations_o[:, None]
    xy_pk = jnp.stack([accumulators_folds.cross_products(y, x_ov)[:, 0] for y in inside])
    return _score(count_p, py.mean_pk, yy_pkk, px.mean_p, px.xx_p, xy_pk, penalties=penalties)


def _finalize(state: accumulators_folds.FoldMoments, *, penalties: tuple[float, ...]) -> dict[str, Any]:
    score = functools.partial(_score, penalties=penalties)
    scores = jax.vmap(score, (None, None, None, 1, 1, 1))(
        long_counts.as_float(state.count_p),
        state.mean_pk,
        state.yy_pkk,
        state.mean_pn,
        state.xx_pn,
        state.xy_pnk,
    )
    return {name: value[:, None] for name, value in scores.items()} | {
        "n_observations": functools.reduce(long_counts.add, _words(state.count_p))
    }


def _words(count_p: long_counts.Count) -> list[long_counts.Count]:
    return [jax.tree.map(lambda word, p=p: word[p], count_p) for p in range(count_p.low.shape[0])]


def _score(
    count_p: jax.Array,
    mean_pk: jax.Array,
    yy_pkk: jax.Array,
    mean_p: jax.Array,
    xx_p: jax.Array,
    xy_pk: jax.Array,
    *,
    penalties: tuple[float, ...],
) -> dict[str, jax.Array]:
    scale_k = row_scales(count_p, mean_pk, yy_pkk)
    rows = scaled_rows(count_p, mean_pk, yy_pkk, scale_k)
    return cross_validated(rows, Neuron(mean_p, xx_p, xy_pk * scale_k[None, :]), penalties)
