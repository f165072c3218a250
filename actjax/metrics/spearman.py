"""Spearman's rank correlation."""

import dataclasses

import jax
import jax.numpy as jnp

from actjax.similarity.families.vectors import cosine_of, unit_length, unit_scaled
from actjax.similarity.host.ranks import centred_ranks, twice_random_ranks, twice_ranks
from actjax.types import Context, Metric

TIES = ("average", "random")


def metric(*, ties: str = "average") -> Metric:
    """Spearman's rho: Pearson's r of the ranks.

        rho = pearson(rank(x), rank(y))

    Range [-1, 1], 0 for no monotone relation, NaN where a side is constant or fewer than 3 observations
    count. Invariant under increasing maps of either side. Symmetric (with averaged ties), signed, one
    inner product; needs all observations at once, so it does not stream.

    It is blind to delays and to shifts in frequency, weak for neurons that are silent in most clips, and is
    undefined within clips where the neuron is silent in more than a tenth of them; with ties="random" it
    hardly sees wrong labels of a rare concept. See docs/measurements/metric_benchmark.md.

    Args:
      ties: "average" gives tied values the mean of their ranks; "random" breaks ties by an order drawn
        from the context's key (from seed 0 where there is none), another for each side, which ruins
        the score of binary data: it is there to reproduce results obtained that way.

    Raises:
      ValueError: another `ties`.

    Reference: C. Spearman, "The proof and measurement of association between two things", 1904.
    """
    if ties not in TIES:
        raise ValueError(f"spearman expected ties to be one of {TIES}, got {ties!r}")
    of_values = Metric(
        name="spearman",
        prepare_x=_prepare if ties == "average" else _random_side(0),
        prepare_y=_prepare if ties == "average" else _random_side(1),
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("clip", "frame", "map"),
        range=(-1.0, 1.0, 0.0),
        reference="Spearman 1904",
        invariant_to=("scale", "shift", "order"),
        within="per_clip",
        symmetric=ties == "average",
        options={"ties": ties},
        order=3,
    )
    if ties == "random":
        return of_values
    ranked = dataclasses.replace(of_values, prepare_x=_of_ranks, prepare_y=_of_ranks)
    return dataclasses.replace(of_values, of_ranks=ranked)


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
    return _of_ranks(twice_ranks(values_o, mask_o), mask_o, context)


def _of_ranks(twice_o: jax.Array, mask_o: jax.Array, context: Context):
    # Ranks are near 1 over their number, whose power of two need not be looked for.
    scale = 2.0 ** -twice_o.shape[0].bit_length()
    return unit_length(centred_ranks(twice_o.astype(jnp.int32), mask_o) * scale)


def _random_side(side: int):
    def prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
        key = jax.random.key(0) if context.key is None else context.key
        twice_o = twice_random_ranks(values_o, mask_o, jax.random.fold_in(key, side))
        constant = jnp.ptp(jnp.where(mask_o, values_o, values_o[jnp.argmax(mask_o)])) == 0
        centred_o = centred_ranks(twice_o, mask_o)
        return unit_scaled(jnp.where(constant, jnp.zeros_like(centred_o), centred_o))

    return prepare
