"""Percussive part of the mel spectrogram."""

from actjax import dsp
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
    kernel: tuple[int, int] = (31, 31),
    margin: tuple[float, float] = (1.0, 1.0),
    mask_power: float = 2.0,
    mask: bool = False,
    scale: str = "power",
    top_db: float | None = 80.0,
) -> Feature:
    """Mel spectrum of the percussive part of the power spectrum.

    The part is |X mask|^2 with mask = P^p / (P^p + (margin H)^p), p = mask_power;
    P is the running median of |X| over frequency (kernel[1] bins), H the one over time (kernel[0] frames).
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
    dsp.check_separation(kernel, margin, mask_power)

    if mask and scale == "db":
        raise ValueError("expected scale 'power' with mask, got 'db': a mask is no power")
    separate = dsp.harmonic_percussive_masks if mask else dsp.harmonic_percussive_power

    def part(power):
        return separate(power, kernel=kernel, margin=margin, mask_power=mask_power)[1]

    return mel_feature(
        "percussive",
        part,
        sample_rate_hz=sample_rate_hz,
        n_fft=n_fft,
        hop_samples=hop_samples,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
        scale=scale,
        top_db=top_db,
        reference="Fitzgerald 2010",
        weighted_mean=mask,
        over_time=True,
    )
