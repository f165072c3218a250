"""The frames that a feature looks at, and the making of a Feature from them."""

import dataclasses
from collections.abc import Callable

import jax

from actjax import dsp
from actjax.types import Feature


@dataclasses.dataclass(frozen=True)
class Analysis:
    """Sample rate, window and hop; checked when made, so that a feature refuses bad settings at once.

    Attributes:
      sample_rate_hz: of the wave.
      n_fft: samples per frame.
      hop_samples: between frame centres.
      least_rate_hz: the lowest sample rate at which the feature has a meaning.
    """

    sample_rate_hz: int
    n_fft: int
    hop_samples: int
    least_rate_hz: float = 0.0

    def __post_init__(self):
        dsp.check_settings(
            self.sample_rate_hz, self.n_fft, self.hop_samples, least_rate_hz=self.least_rate_hz
        )

    def power(self, wave_s: jax.Array) -> jax.Array:
        """[t, f] the power spectrum."""
        return dsp.power_spectrum(wave_s, self.n_fft, self.hop_samples)

    def inside(self, length: jax.Array | None, wave_s: jax.Array) -> jax.Array | None:
        """[t] bool: the frames that the first `length` samples of the wave have; None for all."""
        return dsp.signal_frames(length, dsp.frame_count(len(wave_s), self.hop_samples), self.hop_samples)

    def magnitude(self, wave_s: jax.Array) -> jax.Array:
        """[t, f] the magnitude spectrum."""
        return dsp.magnitude(self.power(wave_s))

    def frames(self, wave_s: jax.Array, pad_mode: str = "constant") -> jax.Array:
        """[t, n_fft] the frames themselves."""
        return dsp.frame(wave_s, self.n_fft, self.hop_samples, pad_mode=pad_mode)

    def feature(
        self,
        name: str,
        fn: Callable,
        *,
        unit: str,
        reference: str,
        row_names: tuple[str, ...] | None = None,
        axis: str = "none",
        centres_hz: tuple[float, ...] | None = None,
        window_samples: int | None = None,
        always_valid: bool = True,
        per_clip: bool = False,
        host: bool = False,
        whole_clip: bool = False,
    ) -> Feature:
        """Makes a Feature of these frames; one row is named like the feature unless `row_names` are given.

        `window_samples` is n_fft unless the feature looks at more than a frame; `per_clip` features have one
        value and no hop.
        """
        row_names = (name,) if row_names is None else row_names
        return Feature(
            name=name,
            fn=fn,
            rows=len(row_names),
            row_names=row_names,
            axis=axis,
            centres_hz=centres_hz,
            sample_rate_hz=self.sample_rate_hz,
            hop_samples=None if per_clip else self.hop_samples,
            window_samples=self.n_fft if window_samples is None else window_samples,
            unit=unit,
            reference=reference,
            always_valid=always_valid,
            host=host,
            whole_clip=whole_clip,
        )
