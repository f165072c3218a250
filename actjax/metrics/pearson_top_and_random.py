"""Pearson's correlation on a neuron's strongest inputs and random ones."""

from actjax.similarity.families.sampled import sampled_correlation
from actjax.similarity.families.vectors import centred
from actjax.types import Metric


def metric(*, k: int = 25) -> Metric:
    """Pearson's r over the neuron's k strongest inputs and k random ones.

        r = pearson(x_i, y_i), i in top k(x) and k random inputs

    The random inputs are drawn without replacement, the same for all neurons, from the context's key (seed
    0 without one); one that is also among the strongest counts twice. Inputs that tie for the last of the
    strongest places are drawn at random. Range [-1, 1], 0 for no linear relation, NaN where a side is
    constant on the sample or fewer than k observations count. Far noisier than `pearson` and biased to
    what the strongest inputs show; it is there to compare with results obtained that way. Not symmetric;
    gathered for each pair, so no inner product; does not stream.

    It hardly sees superfluous labels of a rare concept, as few of them are drawn, and is undefined within
    clips where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      k: number of strongest, and of random inputs.

    Raises:
      ValueError: k below 2.

    Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations: a unified framework with
    sanity checks", 2025; after S. Bills et al., "Language models can explain neurons in language models",
    2023.
    """
    return sampled_correlation(
        "pearson_top_and_random", centred, k=k, reference="Bills et al. 2023; Oikarinen, Yan and Weng 2025"
    )
