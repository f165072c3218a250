"""Does a concept put a neuron's strongest inputs into the neuron's own order?"""

import functools
import math

import jax
import jax.numpy as jnp

from actjax.similarity.families.concept import PROBABILITIES, nan_if_constant
from actjax.similarity.families.concept import probability as probability_of
from actjax.similarity.families.observation_pairs import MOST_OBSERVATIONS
from actjax.similarity.families.reorder import Order, Strongest, at_once, place_type, reordered, strongest
from actjax.similarity.host.ranks import twice_ranks
from actjax.types import Context, Metric


def metric(
    *, top_share: float = 0.05, power: float = 3.0, scale_power: float = 0.5, probability: str = "quantile"
) -> Metric:
    """Minus the error between a neuron's strongest activations and the same put into the concept's order.

        score = - mean |a_i - b_i|^power / (chance (mean p_i)^scale_power)

    a_i are the T = int(top_share n) largest activations, at least 2; b_i the same numbers, given in the order
    of the concept's values at these inputs, the largest to the largest; p_i the concept's probabilities
    there; chance the error expected of a random order, mean over i, j of |a_i - a_j|^power (CLIP-Dissect
    estimates it from five random orders). Inputs that tie, on either side, are taken in the order of the
    observations. Range (-inf, 0], 0 for the same order; quantiles without relation score about
    -1 / sqrt(0.5); NaN where a side is constant, there or throughout. No inner product: each pair is
    sorted, on a CPU by the host; a GPU walks through each concept's order instead, of up to 65,534
    observations. Does not stream, and takes at most 131,072 / top_share observations.

    It is blind to relations that are inverted, delayed or pooled and to binary concepts, and needs many clips
    between clips, where its top share is two or three of them. See docs/measurements/metric_benchmark.md.

    Args:
      top_share: share of the inputs that are taken.
      power: of the differences.
      scale_power: how much a concept gains by being likely on these inputs; 0 for none.
      probability: "quantile" gives a continuous feature's empirical quantile, (rank - 1/2) / n, and takes
        a column of 0 and 1 as it is; "given" takes the feature's values (outside of [0, 1]: NaN).

    Raises:
      ValueError: an option outside of its domain.

    Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: automatic description of neuron representations in
    deep vision networks", 2023.
    """
    if not 0 < top_share <= 1 or not power > 0 or scale_power < 0 or probability not in PROBABILITIES:
        raise ValueError(
            "rank_reorder expected 0 < top_share <= 1, power > 0, scale_power >= 0 and probability in "
            f"{PROBABILITIES}, got {top_share}, {power}, {scale_power}, {probability!r}"
        )
    # A whole power is a few products; a general one costs more than everything else.
    power = int(power) if power == int(power) else power
    return Metric(
        name="rank_reorder",
        prepare_x=lambda values_o, mask_o, context: strongest(values_o, mask_o, share=top_share, power=power),
        prepare_y=functools.partial(_prepare_y, kind=probability),
        compare=functools.partial(_compare, power=power, scale_power=scale_power),
        views=("clip", "frame"),
        range=(-math.inf, 0.0, -(2.0**scale_power)),
        reference="Oikarinen and Weng 2023",
        invariant_to=("scale", "shift") if probability == "quantile" else (),
        symmetric=False,
        signed=False,
        dot=False,
        at_once=at_once,
        pair_copies=2,
        # What a random order would cost is a sum over all pairs of the strongest inputs.
        max_observations=int(MOST_OBSERVATIONS / top_share),
        options={
            "top_share": top_share,
            "power": power,
            "scale_power": scale_power,
            "probability": probability,
        },
        cost="steps",
    )


def _prepare_y(values_o: jax.Array, mask_o: jax.Array, context: Context, *, kind: str) -> Order:
    twice = twice_ranks(values_o, mask_o)
    p = probability_of(values_o, mask_o, kind, twice)
    # Half of twice the mean of tied ranks is one of them, so that other ties have other places.
    place = (twice // 2).astype(place_type(twice.size))
    return Order(place, jnp.where(mask_o, p + nan_if_constant(values_o, mask_o), 0.0))


def _compare(px: Strongest, py: Order, *, power: float, scale_power: float):
    error, mean = reordered(px, py, power=power)
    return {"score": -error / mean**scale_power}
