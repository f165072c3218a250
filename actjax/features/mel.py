"""Mel spectrogram."""

from actjax.extraction.mel_family import mel_feature
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
) -> Feature:
    """Mel power spectrum: M |X|^2.

    X is the Fourier transform of centred frames under a Hann window, M the mel bank of unit-area triangles on
    Slaney's scale.

    Rows: mel bands, low to high. Unit: power. Always valid.

    Raises:
      ValueError: impossible window, hop, sample rate or band edges.

    Reference: Stevens, Volkmann, Newman (1937); Slaney (1998), Auditory Toolbox.
    """
    return mel_feature(
        "mel",
        lambda power: power,
        sample_rate_hz=sample_rate_hz,
        n_fft=n_fft,
        hop_samples=hop_samples,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
        scale="power",
        top_db=None,
        reference="Slaney 1998",
    )
