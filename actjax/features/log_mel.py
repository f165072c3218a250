"""Log-mel spectrogram."""

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
    top_db: float | None = 80.0,
) -> Feature:
    """Mel spectrum in decibels: 10 log10(max(M |X|^2, 1e-10)), at most top_db below the clip's maximum.

    X is the Fourier transform of centred frames under a Hann window, M the mel bank of unit-area triangles on
    Slaney's scale.

    Rows: mel bands, low to high. Unit: dB. Always valid; silence is -100 dB.

    Raises:
      ValueError: impossible window, hop, sample rate or band edges.

    Reference: Stevens, Volkmann, Newman (1937); Slaney (1998), Auditory Toolbox.
    """
    return mel_feature(
        "log_mel",
        lambda power: power,
        sample_rate_hz=sample_rate_hz,
        n_fft=n_fft,
        hop_samples=hop_samples,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
        scale="db",
        top_db=top_db,
        reference="Slaney 1998",
    )
