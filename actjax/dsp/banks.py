"""Constant matrices and curves over frequency, in NumPy float64: mel and chroma banks, DCT, A-weighting."""

import functools

import numpy as np

# The mel scale of Slaney's Auditory Toolbox (1998): linear to 1 kHz, logarithmic above.
_HZ_PER_MEL = 200.0 / 3
_CORNER_HZ = 1000.0
_CORNER_MEL = _CORNER_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def fft_frequencies_hz(sample_rate_hz: int, n_fft: int) -> np.ndarray:
    """[f] centre frequencies of the n_fft // 2 + 1 bins of a real Fourier transform."""
    return np.arange(n_fft // 2 + 1) * (sample_rate_hz / n_fft)


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Slaney's mel scale: 3 hz / 200 below 1 kHz, 15 + 27 log(hz / 1000) / log 6.4 above."""
    hz = np.asarray(hz, np.float64)
    above = _CORNER_MEL + np.log(np.maximum(hz, _CORNER_HZ) / _CORNER_HZ) / _LOG_STEP
    return np.where(hz < _CORNER_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """The inverse of hz_to_mel."""
    mel = np.asarray(mel, np.float64)
    above = _CORNER_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _CORNER_MEL) - _CORNER_MEL))
    return np.where(mel < _CORNER_MEL, mel * _HZ_PER_MEL, above)


def mel_centres_hz(
    sample_rate_hz: int, n_mels: int = 128, fmin_hz: float = 0.0, fmax_hz: float | None = None
) -> np.ndarray:
    """[mel] the bands' centre frequencies (the triangles' peaks)."""
    return _mel_edges_hz(sample_rate_hz, n_mels, fmin_hz, fmax_hz)[1:-1]


@functools.cache
def mel_bank(
    sample_rate_hz: int, n_fft: int, n_mels: int = 128, fmin_hz: float = 0.0, fmax_hz: float | None = None
) -> np.ndarray:
    """Triangular filters evenly spaced on Slaney's mel scale, each of unit area in Hz.

    Args:
      sample_rate_hz: of the wave.
      n_fft: length of the Fourier transform.
      n_mels: number of bands.
      fmin_hz: lower edge of the lowest band.
      fmax_hz: upper edge of the highest band; None is half the sample rate.

    Returns:
      [mel, f] weights, 1 / Hz.

    Raises:
      ValueError: fewer than one band, or edges not in 0 <= fmin_hz < fmax_hz <= sample_rate_hz / 2.
    """
    edges = _mel_edges_hz(sample_rate_hz, n_mels, fmin_hz, fmax_hz)
    bins = fft_frequencies_hz(sample_rate_hz, n_fft)[None, :]
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return np.maximum(triangles, 0.0) * (2.0 / (high - low))


def check_bands(
    sample_rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float = 0.0, fmax_hz: float | None = None
) -> None:
    """Raises ValueError where a band of `mel_bank` would hold no bin, so that it is always silent."""
    empty = int((mel_bank(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz).max(axis=1) <= 0).sum())
    if empty:
        raise ValueError(
            f"n_mels = {n_mels} is more than the bins of n_fft = {n_fft} hold: {empty} bands would be empty; "
            "lower n_mels or take a longer n_fft"
        )


@functools.cache
def chroma_bank_bumps(sample_rate_hz: int, n_fft: int, n_chroma: int = 12) -> tuple[np.ndarray, ...]:
    """The positions and widths of the chroma bank's bumps; a tuning of x bins subtracts x from the positions.

    Returns:
      (position [f] of each bin in bins of the octave above A, modulo n_chroma; octave [f] above A0;
      width [f] of each Gaussian bump, in chroma bins).
    """
    bins_hz = np.arange(1, n_fft) * (sample_rate_hz / n_fft)
    above_a0 = n_chroma * np.log2(bins_hz / 27.5)
    # The bin at 0 Hz has no pitch: it is set 1.5 octaves below the next, so that it is wide and faint.
    above_a0 = np.concatenate([above_a0[:1] - 1.5 * n_chroma, above_a0])
    widths = np.concatenate([np.maximum(np.diff(above_a0), 1.0), [1.0]])
    one_sided = slice(0, n_fft // 2 + 1)
    return np.mod(above_a0, n_chroma)[one_sided], (above_a0 / n_chroma)[one_sided], widths[one_sided]


@functools.cache
def dct_matrix(rows: int, inputs: int) -> np.ndarray:
    """[rows, inputs] the orthonormal DCT-II."""
    angle = np.pi / inputs * np.arange(rows)[:, None] * (np.arange(inputs)[None, :] + 0.5)
    matrix = np.cos(angle) * np.sqrt(2.0 / inputs)
    matrix[0] /= np.sqrt(2.0)
    return matrix


def a_weighting_db(frequencies_hz: np.ndarray, min_db: float = -80.0) -> np.ndarray:
    """[f] the A curve of IEC 61672-1:2013 in dB, 0 at 1 kHz, not below min_db."""
    f2 = np.asarray(frequencies_hz, np.float64) ** 2
    poles = np.array([20.598997, 107.65265, 737.86223, 12194.217]) ** 2
    gain = poles[3] * f2**2 / ((f2 + poles[0]) * (f2 + poles[3]))
    gain = gain / np.sqrt((f2 + poles[1]) * (f2 + poles[2]))
    with np.errstate(divide="ignore"):
        curve = 2.0 + 20.0 * np.log10(gain)
    return np.maximum(curve, min_db)


def _mel_edges_hz(sample_rate_hz: int, n_mels: int, fmin_hz: float, fmax_hz: float | None):
    """[mel + 2] lower edge, centres, upper edge: band i rises from edge i to i + 1 and falls to i + 2."""
    top_hz = sample_rate_hz / 2 if fmax_hz is None else fmax_hz
    if n_mels < 1:
        raise ValueError(f"expected at least 1 mel band, got n_mels {n_mels}")
    if not 0 <= fmin_hz < top_hz <= sample_rate_hz / 2:
        raise ValueError(
            f"expected 0 <= fmin_hz < fmax_hz <= {sample_rate_hz / 2:g} Hz, got {fmin_hz:g} and {top_hz:g}"
        )
    return mel_to_hz(np.linspace(hz_to_mel(fmin_hz), hz_to_mel(top_hz), n_mels + 2))
