"""How much stronger a neuron is where a feature is than elsewhere."""

import jax
import jax.numpy as jnp

from actjax.similarity.accumulators import moments
from actjax.similarity.arithmetic.inner import inner
from actjax.similarity.families.binary import Active, active_set, check_sides, reaches
from actjax.similarity.families.vectors import Scaled, centred
from actjax.types import Accumulator, Context, Metric


def metric(*, alpha_y: float = 0.05, threshold_y: float | None = None) -> Metric:
    """The neuron's mean on the feature's active set minus its mean elsewhere, in the neuron's units.

        difference = mean of x on Y - mean of x off Y = n sum of centred x over Y / (|Y| |not Y|)

    Y holds the ceil(alpha_y n) largest values of the feature and all that tie with the least of them (where
    that is the feature's smallest value, those above it); a column of two values, such as 0 and 1, is taken
    as it is. Unbounded, 0 for no relation, NaN where a side is constant. Not symmetric; signed; one inner
    product; streams exactly through centred moments when the threshold is given.

    It carries the neuron's unit, so a loud neuron scores high without any relation; it hardly sees missing
    labels of a rare concept, and is undefined within clips where the neuron is silent in more than a tenth of
    them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_y: share of the observations that count as the feature's.
      threshold_y: counts those where the feature reaches it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations: a unified framework with
    sanity checks", 2025.
    """
    check_sides("mean_activation_difference", alpha_y=alpha_y)
    return Metric(
        name="mean_activation_difference",
        prepare_x=_prepare_x,
        prepare_y=active_set(alpha_y, threshold_y),
        compare=lambda px, py: {"score": _difference(px, py)},
        views=("clip", "frame"),
        range=(-float("inf"), float("inf"), 0.0),
        reference="Oikarinen, Yan and Weng 2025",
        invariant_to=("shift",) if threshold_y is None else (),
        symmetric=False,
        min_observations=2,
        accumulator=None if threshold_y is None else _streamed(threshold_y),
        options={"alpha_y": alpha_y, "threshold_y": threshold_y},
    )


def _prepare_x(values_o: jax.Array, mask_o: jax.Array, context: Context):
    vector = centred(values_o, mask_o)
    return Scaled(vector, jnp.where(jnp.any(vector != 0), 1.0, jnp.nan))


def _difference(px: Scaled, py: Active):
    active, off = py.active.astype(jnp.float32), py.off.astype(jnp.float32)
    # n / (active off), whose denominator leaves int32.
    return inner(px.vector, py.hot_o.astype(jnp.float32)) * px.scale * py.one * (1 / active + 1 / off)


def _streamed(threshold_y: float) -> Accumulator:
    """The slope of x on the indicator of y, which is the difference of the two means."""

    def update(
        state: moments.Moments,
        x_on: jax.Array,
        y_ok: jax.Array,
        mask_o: jax.Array,
        context: Context | None = None,
    ):
        hot = reaches(y_ok, mask_o[:, None], threshold_y)
        return moments.update(state, x_on, hot.astype(jnp.float32), mask_o)

    return Accumulator(f"moments(y >= {threshold_y})", moments.init, update, moments.merge, _slope)


def _slope(state: moments.Moments):
    defined = (state.xx_n > 0)[:, None] & (state.yy_k > 0)[None, :]
    slope = state.xy_nk / jnp.where(state.yy_k > 0, state.yy_k, 1.0)[None, :]
    # In the neuron's units: the indicator's scale is 1 wherever a slope is defined.
    slope = slope / state.scale_n[:, None] * state.scale_k[None, :]
    return {"score": jnp.where(defined, slope, jnp.nan), "n_observations": state.count}
