"""Log attack time."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 128,
    n_fft: int = 512,
    start: float = 0.2,
    stop: float = 0.9,
) -> Feature:
    """log10 of the seconds in which the level first rises from `start` to `stop` of its maximum.

    The level is the root mean square of frames of n_fft samples; the moments are interpolated between frames,
    and their distance is at least one sample.

    Rows: one, one value per clip. Unit: log10 s. Invalid where the clip is silent.

    Raises:
      ValueError: impossible window, hop or sample rate, or not 0 < start < stop <= 1.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    if not 0 < start < stop <= 1:
        raise ValueError(f"expected 0 < start < stop <= 1, got {start:g} and {stop:g}")

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        level = dsp.magnitude(dsp.frame_energy(wave_s, n_fft, hop_samples) / n_fft)
        inside = at.inside(length, wave_s)
        level = level if inside is None else jnp.where(inside, level, 0.0)
        peak = jnp.max(level)
        valid = peak > 0
        scaled = level / jnp.where(valid, peak, 1.0)
        frames = _first_crossing(scaled, stop) - _first_crossing(scaled, start)
        seconds = jnp.maximum(frames * (hop_samples / sample_rate_hz), 1.0 / sample_rate_hz)
        return where_valid(jnp.log10(seconds)[None, None], valid[None])

    return at.feature(
        "log_attack_time",
        fn,
        unit="log10 s",
        reference="Peeters 2004",
        always_valid=False,
        per_clip=True,
        whole_clip=True,
    )


def _first_crossing(level_t: jax.Array, threshold: float) -> jax.Array:
    """Where the level first reaches the threshold, in frames; 0 if it begins above."""
    after = jnp.argmax(level_t >= threshold)
    before = jnp.maximum(after - 1, 0)
    rise = level_t[after] - level_t[before]
    missing = jnp.where(rise > 0, (level_t[after] - threshold) / jnp.where(rise > 0, rise, 1.0), 0.0)
    return after.astype(level_t.dtype) - missing
