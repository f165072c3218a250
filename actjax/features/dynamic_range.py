"""Dynamic range."""

import jax
import jax.numpy as jnp

from actjax.dsp import loudness
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050) -> Feature:
    """The spread of a clip's loudness: the 95th minus the 10th percentile over blocks of 400 ms every 100 ms.

    Blocks are K-weighted (as loudness_bs1770); those above -70 LUFS and above the mean of those minus 20 LU
    count. This is EBU's loudness range with shorter blocks (3 s there), so that short clips have one too.

    Rows: one, one value per clip. Unit: LU, 0 .. about 50. Invalid where fewer than 2 blocks count.

    Raises:
      ValueError: a sample rate below 4000 Hz, or a clip shorter than 400 ms.

    Reference: EBU Tech 3342 (2016), Loudness range.
    """
    window = int(loudness.BLOCK_S * sample_rate_hz)
    at = Analysis(sample_rate_hz, window + window % 2, max(window // 4, 1), least_rate_hz=4000)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        power = loudness.block_power(wave_s, sample_rate_hz)
        gated = loudness.gated(power, -20.0, loudness.blocks_inside(length, len(power), sample_rate_hz))
        count = jnp.sum(gated)
        ranked = jnp.sort(jnp.where(gated, loudness.to_lufs(power), jnp.inf))
        low, high = (_percentile(ranked, count, share) for share in (0.10, 0.95))
        valid = count >= 2
        return where_valid(jnp.where(valid, high - low, 0.0)[None, None], valid[None])

    return at.feature(
        "dynamic_range",
        fn,
        unit="LU",
        reference="EBU Tech 3342",
        always_valid=False,
        per_clip=True,
        whole_clip=True,
    )


def _percentile(ranked_o: jax.Array, count: jax.Array, share: float):
    """The share-quantile of the first `count` of ascending values, interpolated."""
    position = share * jnp.maximum(count - 1, 0).astype(ranked_o.dtype)
    below = jnp.floor(position).astype(jnp.int32)
    above = jnp.minimum(below + 1, jnp.maximum(count - 1, 0))
    fraction = position - jnp.floor(position)
    low, high = ranked_o[below], ranked_o[above]
    return jnp.where(count > 0, low + fraction * (high - low), 0.0)
