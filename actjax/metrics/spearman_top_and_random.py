"""Spearman's rank correlation on a neuron's strongest inputs and random ones."""

import jax

from actjax.similarity.families.sampled import sampled_correlation
from actjax.similarity.families.vectors import centred
from actjax.similarity.host.ranks import ranks
from actjax.types import Metric


def metric(*, k: int = 25) -> Metric:
    """Spearman's rho over the neuron's k strongest inputs and k random ones.

        rho = pearson(rank(x_i), rank(y_i)), i in top k(x) and k random inputs

    The random inputs are drawn without replacement, the same for all neurons, from the context's key (seed
    0 without one); one that is also among the strongest counts twice. Inputs that tie for the last of the
    strongest places are drawn at random; ranks within the sample are averaged over ties. Range [-1, 1], 0
    for no monotone relation, NaN where a side is constant on the sample or fewer than k observations
    count. Not symmetric; gathered for each pair, so no inner product; does not stream.

    It hardly sees superfluous labels of a rare concept, as few of them are drawn, and is undefined within
    clips where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      k: number of strongest, and of random inputs.

    Raises:
      ValueError: k below 2.

    Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations: a unified framework with
    sanity checks", 2025.
    """
    return sampled_correlation(
        "spearman_top_and_random",
        _centred_ranks,
        k=k,
        reference="Oikarinen, Yan and Weng 2025",
        order=True,
    )


def _centred_ranks(values_i: jax.Array, inside_i: jax.Array):
    return centred(ranks(values_i, inside_i), inside_i)
