"""Loudness after ITU-R BS.1770."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.dsp import loudness
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, integrated: bool = False) -> Feature:
    """Momentary loudness: -0.691 + 10 log10(mean square of the K-weighted wave over 400 ms).

    With `integrated`, one value per clip: the same over all blocks of 400 ms, every 100 ms, that are above
    -70 LUFS and above the mean of those minus 10 LU. Mono is one front channel.

    Rows: one. Unit: LUFS. Momentary is always valid, not below -120.691 LUFS (silence), zeros beyond the
    ends; integrated is invalid where no block passes -70 LUFS.

    Raises:
      ValueError: impossible hop or sample rate, or, with `integrated`, a clip shorter than 400 ms.

    Reference: ITU-R BS.1770-4 (2015).
    """
    window = int(loudness.BLOCK_S * sample_rate_hz)
    at = Analysis(sample_rate_hz, window + window % 2, hop_samples, least_rate_hz=4000)

    def momentary(wave_s: jax.Array):
        weighted = loudness.k_weighted(wave_s, sample_rate_hz)
        return every_frame(
            loudness.to_lufs(dsp.frame_energy(weighted, window, hop_samples) / window)[None, :]
        )

    def whole(wave_s: jax.Array, length: jax.Array | None = None):
        power = loudness.block_power(wave_s, sample_rate_hz)
        gated = loudness.gated(power, -10.0, loudness.blocks_inside(length, len(power), sample_rate_hz))
        level = loudness.to_lufs(loudness.masked_mean(power, gated))
        return where_valid(level[None, None], jnp.any(gated)[None])

    return at.feature(
        "loudness_bs1770",
        whole if integrated else momentary,
        unit="LUFS",
        reference="ITU-R BS.1770-4",
        always_valid=not integrated,
        per_clip=integrated,
        whole_clip=integrated,
    )
