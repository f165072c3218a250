"""Share of harmonic energy."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    kernel: tuple[int, int] = (31, 31),
) -> Feature:
    """The energy of the harmonic part of each frame over that of both parts.

    The parts are those of `harmonic` and `percussive`: sum_f |X_h|^2 / sum_f (|X_h|^2 + |X_p|^2).

    Rows: one. Unit: ratio, 0 (percussive) .. 1 (harmonic). Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate, or an even kernel.

    Reference: Fitzgerald (2010), Harmonic/Percussive Separation using Median Filtering, DAFx.
    """
    dsp.check_separation(kernel, (1.0, 1.0), 2.0)
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        power = dsp.mirrored_beyond(at.power(wave_s), at.inside(length, wave_s))
        components = dsp.harmonic_percussive_power(power, kernel=kernel)
        harmonic, percussive = (jnp.sum(component, axis=1) for component in components)
        total = harmonic + percussive
        valid = total > jnp.finfo(total.dtype).tiny
        return where_valid((harmonic / jnp.where(valid, total, 1.0))[None, :], valid)

    return at.feature(
        "harmonic_ratio",
        fn,
        unit="ratio",
        reference="Fitzgerald 2010",
        always_valid=False,
        whole_clip=True,
    )
