"""Short-time Fourier transform, power, mel and decibels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.dsp.banks import mel_bank
from actjax.dsp.framing import frame
from actjax.kernels import band_sums, platform
from actjax.kernels.batched import over_clips

# TF32 and bfloat16 products move spectra by up to 1e-3; parity with float64 references asks for 1e-4.
PRECISION = jax.lax.Precision.HIGHEST


def stft(wave_s: jax.Array, n_fft: int, hop_samples: int) -> jax.Array:
    """[t, f] complex64: transform of centred frames under a periodic Hann window, zeros beyond the ends."""
    return hann_spectrum(frame(wave_s, n_fft, hop_samples))


def hann_spectrum(frames_ts: jax.Array) -> jax.Array:
    """[t, f] complex64: the Fourier transform of rows [t, s] under a periodic Hann window."""
    window = jnp.asarray(hann_window(frames_ts.shape[1]), frames_ts.dtype)
    return jnp.fft.rfft(frames_ts * window[None, :], axis=1)


def hann_window(length: int) -> np.ndarray:
    """[length] the periodic Hann window in float64: 0 at its first sample, 1 in its middle."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def power_spectrum(wave_s: jax.Array, n_fft: int, hop_samples: int) -> jax.Array:
    """[t, f] float32: |stft|^2."""
    spectrum = stft(wave_s, n_fft, hop_samples)
    return spectrum.real**2 + spectrum.imag**2


@jax.custom_jvp
def magnitude(power: jax.Array) -> jax.Array:
    """The square root, with derivative 0 (not infinity) where the power is 0."""
    return jax.lax.sqrt(power)


@magnitude.defjvp
def _magnitude_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]):
    root = magnitude(primals[0])
    positive = root > 0
    return root, jnp.where(positive, 0.5 / jnp.where(positive, root, 1.0), 0.0) * tangents[0]


def power_law(x: jax.Array, exponent: float) -> jax.Array:
    """x ** exponent for x >= 0, with value and derivative 0 at 0."""
    positive = x > 0
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** exponent, 0.0)


def mel_power(
    power_tf: jax.Array,
    sample_rate_hz: int,
    n_mels: int = 128,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
) -> jax.Array:
    """[t, mel]: a power spectrum [t, f] through the mel bank of `mel_bank`: a product, or a GPU's kernel."""
    settings = (sample_rate_hz, 2 * (power_tf.shape[-1] - 1), n_mels, fmin_hz, fmax_hz)
    held = power_tf.ndim == 2 and power_tf.dtype == jnp.float32 and band_sums.narrow(mel_bank(*settings))
    if held and precision.kernel_bands():
        return _by_kernel(settings)(power_tf)
    return _by_product(power_tf, mel_bank(*settings))


def _by_product(power_tf: jax.Array, bank: np.ndarray):
    return jnp.dot(power_tf, jnp.asarray(bank.T, power_tf.dtype), precision=PRECISION)


@functools.cache
def _by_kernel(settings: tuple[int, int, int, float, float | None]):
    """The function [t, f] -> [t, mel] that a GPU computes by its kernel; its derivative is a product."""
    bank = mel_bank(*settings)

    of_clips = over_clips(functools.partial(band_sums.band_sums, bank=bank))

    @jax.custom_jvp
    def mel(power_tf: jax.Array) -> jax.Array:
        return platform.dependent(
            power_tf,
            cpu=lambda power: _by_product(power, bank),
            default=lambda power: of_clips(power[None])[0].T,
        )

    @mel.defjvp
    def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
        return mel(*primals), _by_product(tangents[0], bank)

    return mel


def mirrored_beyond(power_tf: jax.Array, inside_t: jax.Array | None) -> jax.Array:
    """[t, f] with the frames that follow the last one inside replaced by those before it, mirrored.

    As `running_median` continues a shorter clip at its end, so that the medians inside are those of the
    shorter clip. Unchanged where inside_t is None.
    """
    if inside_t is None:
        return power_tf
    count, frame = jnp.sum(inside_t), jnp.arange(len(power_tf))
    mirrored = jnp.where(frame < count, frame, jnp.maximum(2 * count - 1 - frame, 0))
    return power_tf[mirrored]


def power_to_db(
    power_tf: jax.Array,
    *,
    floor: float = 1e-10,
    top_db: float | None = 80.0,
    inside_t: jax.Array | None = None,
) -> jax.Array:
    """10 log10(max(power, floor)), then no lower than top_db below the maximum.

    The maximum is over the whole array, or over the frames (the first axis) of which inside_t is True.
    """
    db = 10.0 * jnp.log10(jnp.maximum(power_tf, floor))
    if top_db is None:
        return db
    counted = db if inside_t is None else jnp.where(inside_t[:, None], db, -jnp.inf)
    return jnp.maximum(db, jnp.max(counted) - top_db)
