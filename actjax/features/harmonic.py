"""Harmonic part of the mel spectrogram."""

from actjax.extraction.mel_family import separated_mel
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
    kernel: tuple[int, int] = (31, 31),
    margin: tuple[float, float] = (1.0, 1.0),
    mask_power: float = 2.0,
    mask: bool = False,
    scale: str = "power",
    top_db: float | None = 80.0,
) -> Feature:
    """Mel spectrum of the harmonic part of the power spectrum.

    The part is |X mask|^2 with mask = H^p / (H^p + (margin P)^p), p = mask_power;
    H is the running median of |X| over time (kernel[0] frames), P the one over frequency (kernel[1] bins).
    Each margin is the factor by which a part must exceed the other (harmonic, percussive).

    With `mask`, the value is the mask itself, averaged over each band with the mel bank's weights.

    Rows: mel bands, low to high. Unit: power; dB with scale="db" (as in log_mel); ratio, 0 .. 1, with mask.
    Always valid.

    Raises:
      ValueError: impossible window, hop, sample rate or band edges, an even kernel, a margin below 1,
        or a mask in dB.

    Reference: Fitzgerald (2010), Harmonic/Percussive Separation using Median Filtering, DAFx; margins from
    Driedger, Müller, Disch (2014), ISMIR.
    """
    return separated_mel(
        "harmonic",
        0,
        kernel=kernel,
        margin=margin,
        mask_power=mask_power,
        mask=mask,
        scale=scale,
        sample_rate_hz=sample_rate_hz,
        n_fft=n_fft,
        hop_samples=hop_samples,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
        top_db=top_db,
    )
