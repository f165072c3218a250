"""Spectral contrast."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.kernels import platform
from actjax.types import Feature

# Up to so many extremes are cheaper one after the other than by a sort.
_MOST_MAXIMA = 16


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    fmin_hz: float = 200.0,
    n_bands: int | None = None,
    quantile: float = 0.02,
) -> Feature:
    """Level of the peaks over the valleys in octave bands of the magnitude spectrum.

    In each band the mean of the largest `quantile` of bins (at least one) in dB minus the mean of the
    smallest, both as 10 log10 with a floor of 1e-10 and at most 80 dB below the clip's largest. Bands:
    below fmin_hz, then octaves from fmin_hz up, the last reaching half the sample rate. n_bands octaves;
    None takes as many as begin below half the sample rate, at most 6.

    Rows: n_bands + 1, low to high. Unit: dB. Always valid; silence has 0.

    Raises:
      ValueError: impossible window, hop or sample rate, an octave that begins above half the sample rate or
        holds no bin, or a quantile not in (0, 1).

    Reference: Jiang, Lu, Zhang, Tao, Cai (2002), Music type classification by spectral contrast, ICME.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    if not 0 < quantile < 1:
        raise ValueError(f"expected a quantile between 0 and 1, got {quantile}")
    bands = _bands(sample_rate_hz, n_fft, fmin_hz, n_bands)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        magnitude = at.magnitude(wave_s)
        extremes = [
            _extremes(magnitude[:, low:high], max(round(quantile * size), 1)) for low, high, size in bands
        ]
        inside = at.inside(length, wave_s)
        valleys, peaks = (
            dsp.power_to_db(jnp.stack(side, axis=1), inside_t=inside) for side in zip(*extremes, strict=True)
        )
        return every_frame((peaks - valleys).T)

    edges = [0.0] + [fmin_hz * 2.0**i for i in range(len(bands))]
    return at.feature(
        "spectral_contrast",
        fn,
        unit="dB",
        reference="Jiang et al. 2002",
        row_names=tuple(f"from {edge:g} Hz" for edge in edges[: len(bands)]),
        axis="coefficient",
        whole_clip=True,
    )


def _bands(sample_rate_hz: int, n_fft: int, fmin_hz: float, n_bands: int | None):
    """(first bin, end, bins counted for the quantile) of each band; neighbours share no bin."""
    nyquist = sample_rate_hz / 2
    if not 0 < fmin_hz < nyquist:
        raise ValueError(f"expected fmin_hz between 0 and {nyquist:g} Hz, got {fmin_hz:g}")
    most = int(np.ceil(np.log2(nyquist / fmin_hz)))
    n_bands = min(most, 6) if n_bands is None else n_bands
    if not 1 <= n_bands <= most:
        raise ValueError(f"expected n_bands from 1 to {most} at {sample_rate_hz} Hz, got {n_bands}")
    hz = dsp.fft_frequencies_hz(sample_rate_hz, n_fft)
    edges = np.concatenate([[0.0], fmin_hz * 2.0 ** np.arange(n_bands + 1)])
    bands = []
    for i in range(n_bands + 1):
        inside = np.flatnonzero((hz >= edges[i]) & (hz <= edges[i + 1]))
        if inside.size < 2:
            raise ValueError(f"expected a window that resolves {edges[i + 1]:g} Hz, got n_fft {n_fft}")
        first = inside[0] - (i > 0)
        end = hz.size if i == n_bands else inside[-1] + 1
        bands.append((int(first), int(end) if i == n_bands else int(end) - 1, int(end - first)))
    return bands


def _extremes(magnitude_tf: jax.Array, count: int):
    """([t] mean of the `count` smallest, [t] mean of the largest)."""
    if count == 1:
        return jnp.min(magnitude_tf, axis=1), jnp.max(magnitude_tf, axis=1)
    by_sorting = functools.partial(_mean_of_sorted, count=count)
    by_maxima = functools.partial(_mean_of_maxima, count=count) if count <= _MOST_MAXIMA else by_sorting
    smallest, largest = (
        platform.dependent(side, cpu=by_sorting, default=by_maxima) for side in (-magnitude_tf, magnitude_tf)
    )
    return -smallest, largest


def _mean_of_sorted(x_tf: jax.Array, count: int):
    return jnp.mean(jax.lax.top_k(x_tf, count)[0], axis=1)


def _mean_of_maxima(x_tf: jax.Array, count: int):
    """Without a sort, which XLA makes of top_k on a GPU: the largest, the largest below it, and so on."""
    top = jnp.max(x_tf, axis=1)
    total, left = jnp.zeros_like(top), jnp.full_like(top, count)
    for _ in range(count - 1):
        equal = jnp.sum((x_tf == top[:, None]).astype(x_tf.dtype), axis=1)
        counted = jnp.minimum(equal, left)
        total, left = total + jnp.where(counted > 0, top, 0.0) * counted, left - counted
        top = jnp.max(jnp.where(x_tf < top[:, None], x_tf, -jnp.inf), axis=1)
    return (total + jnp.where(left > 0, top, 0.0) * left) / count
