"""The features whose rows are mel bands."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.shared import every_frame, hz_names
from actjax.types import Feature


def mel_feature(
    name: str,
    from_power: Callable[[jax.Array], jax.Array],
    *,
    sample_rate_hz: int,
    n_fft: int,
    hop_samples: int,
    n_mels: int,
    fmin_hz: float,
    fmax_hz: float | None,
    scale: str,
    top_db: float | None,
    reference: str,
    weighted_mean: bool = False,
    over_time: bool = False,
) -> Feature:
    """Makes a Feature that sends a power spectrum [t, f], changed by `from_power`, through the mel bank.

    With `weighted_mean` the bands' weights are scaled to sum to 1, for ratios in place of powers. With
    `over_time` the change looks at neighbouring frames, as running medians do.

    Raises:
      ValueError: impossible settings, bands that hold no bin, or a scale that is neither "power" nor "db".
    """
    dsp.check_settings(sample_rate_hz, n_fft, hop_samples)
    dsp.check_bands(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz)
    if scale not in ("power", "db"):
        raise ValueError(f"expected scale 'power' or 'db', got {scale!r}")

    def fn(wave_s: jax.Array, length: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        power = dsp.power_spectrum(wave_s, n_fft, hop_samples)
        inside = dsp.signal_frames(length, len(power), hop_samples)
        power = from_power(dsp.mirrored_beyond(power, inside) if over_time else power)
        mel = dsp.mel_power(power, sample_rate_hz, n_mels, fmin_hz, fmax_hz)
        if weighted_mean:
            bank = dsp.mel_bank(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz)
            total = np.maximum(bank.sum(axis=1), np.finfo(np.float32).tiny)
            mel = mel / jnp.asarray(total, mel.dtype)[None, :]
        mel = dsp.power_to_db(mel, top_db=top_db, inside_t=inside) if scale == "db" else mel
        return every_frame(mel.T)

    centres = tuple(float(hz) for hz in dsp.mel_centres_hz(sample_rate_hz, n_mels, fmin_hz, fmax_hz))
    return Feature(
        name=name,
        fn=fn,
        rows=n_mels,
        row_names=hz_names(centres),
        axis="frequency",
        centres_hz=centres,
        sample_rate_hz=sample_rate_hz,
        hop_samples=hop_samples,
        window_samples=n_fft,
        unit="ratio" if weighted_mean else "dB" if scale == "db" else "power",
        reference=reference,
        whole_clip=over_time or (scale == "db" and top_db is not None),
    )


def separated_mel(
    name: str,
    which: int,
    *,
    kernel: tuple[int, int],
    margin: tuple[float, float],
    mask_power: float,
    mask: bool,
    scale: str,
    **options: Any,
) -> Feature:
    """Makes a `mel_feature` of the harmonic (0) or percussive (1) power, or of its mask.

    Raises:
      ValueError: as `mel_feature`; an even kernel, a margin below 1, or a mask in dB.
    """
    dsp.check_separation(kernel, margin, mask_power)
    if mask and scale == "db":
        raise ValueError("expected scale 'power' with mask, got 'db': a mask is no power")
    separate = dsp.harmonic_percussive_masks if mask else dsp.harmonic_percussive_power

    def separated(power_tf: jax.Array) -> jax.Array:
        return separate(power_tf, kernel=kernel, margin=margin, mask_power=mask_power)[which]

    return mel_feature(
        name,
        separated,
        scale=scale,
        reference="Fitzgerald 2010",
        weighted_mean=mask,
        over_time=True,
        **options,
    )
