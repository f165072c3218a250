"""Computing features of batches: many at once inside a program, or one by name from outside."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from actjax import containers, lookup
from actjax.types import Feature

# A clip of no more samples than this, beside longer ones, is a recording's channels.
MOST_CHANNELS = 32


def feature(name: str, wave: Any, *, sample_rate_hz: int = 22050, **hyper: Any) -> Any:
    """Computes one feature by name.

    >>> actjax.feature("rms", np.full(22050, 0.5), hop_samples=1024).shape
    (1, 22)

    Args:
      name: the registry name, as `actjax.list_features()` gives it.
      wave: [s] or [b, s] samples in -1 .. 1, floating point: NumPy, JAX, PyTorch or lists. Whole numbers are
        refused, because what their full scale is they do not say: divide 16-bit samples by 32768.
      sample_rate_hz: of the wave.
      **hyper: the feature's own options (`hop_samples`, `n_fft`, ...).

    Returns:
      [rows, frames] or [b, rows, frames] float32 in the wave's own kind of array; invalid frames are NaN.

    Raises:
      UnknownNameError: no such feature or option; the message lists the nearest known.
      ValueError: a wave of another rank or type, empty, masked, with NaN or infinite samples or such
        beyond float32, or [samples, channels] as soundfile reads it; a sample rate that is no positive
        number or too low for the feature.
    """
    source, wave = wave, _checked_wave(containers.opened(wave).values)
    _check_rate(sample_rate_hz)
    chosen = _chosen(name, sample_rate_hz, hyper)
    single = len(wave.shape) == 1
    if chosen.host:
        values, valid = compute_host(chosen, np.asarray(wave, np.float32).reshape(-1, wave.shape[-1]))
    else:
        values, valid = _jitted(chosen)(jnp.asarray(wave, jnp.float32).reshape(-1, wave.shape[-1]))
    marked = jnp.where(valid[:, None, :], values, jnp.nan)
    return containers.like(source, marked[0] if single else marked)


def compute(
    features: Sequence[Feature], wave_bs: jax.Array, length_b: jax.Array | None = None
) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Computes features of a batch; meant to be called inside a jitted function.

    Every feature is written for one clip and calls the same blocks of `dsp` with its own settings, so
    features of equal settings trace to identical operations, and XLA computes these once: a batch has one
    Fourier transform per distinct (n_fft, hop), however many features are chosen. A test counts them.

    Args:
      features: what to compute; names must differ, and none may be a host feature.
      wave_bs: [b, s] float32 in -1 .. 1.
      length_b: [b] samples of signal in each; what follows is padding and takes no part in what a
        `whole_clip` feature measures on all of a clip. None: all samples.

    Returns:
      name -> (values [b, rows, frames] float32, valid [b, frames] bool).

    Raises:
      ValueError: two features of one name, or a host feature.
    """
    names = [f.name for f in features]
    if len(set(names)) != len(names):
        raise ValueError(f"expected features of different names, got {', '.join(names)}")
    hosted = [f.name for f in features if f.host]
    if hosted:
        raise ValueError(f"{', '.join(hosted)} run on the host; compute them with compute_host")
    if length_b is None:
        return jax.vmap(lambda wave_s: {f.name: f.fn(wave_s) for f in features})(wave_bs)

    def of_clip(wave_s: jax.Array, length: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        return {f.name: f.fn(wave_s, *([length] if f.whole_clip else [])) for f in features}

    return jax.vmap(of_clip)(wave_bs, length_b)


def compute_host(
    chosen: Feature, wave_bs: np.ndarray, length_b: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Computes a host feature of clips [b, s]: (values [b, rows, frames] float32, valid [b, frames] bool).

    Only the first length_b samples of a clip are looked at; frames beyond them are invalid.
    """
    lengths = np.full(len(wave_bs), wave_bs.shape[1]) if length_b is None else length_b
    pairs = [_host_clip(chosen, wave_s, int(n)) for wave_s, n in zip(wave_bs, lengths, strict=True)]
    values, valid = (np.stack(of_clips) for of_clips in zip(*pairs, strict=True))
    return values.astype(np.float32), valid.astype(bool)


def _host_clip(chosen: Feature, wave_s: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    if length == len(wave_s):
        return chosen.fn(wave_s)
    values = np.zeros((chosen.rows, host_frames(chosen, len(wave_s))), np.float32)
    valid = np.zeros(values.shape[1], bool)
    if length >= chosen.window_samples:  # in less, no frame lies within the signal
        in_signal, in_signal_valid = chosen.fn(wave_s[:length])
        frames = in_signal.shape[1]
        values[:, :frames], valid[:frames] = in_signal, in_signal_valid
    return values, valid


@functools.lru_cache(maxsize=64)
def host_frames(chosen: Feature, samples: int) -> int:
    """Counts the frames that a host feature has on a clip, by computing it on silence."""
    return chosen.fn(np.zeros(samples, np.float32))[0].shape[1]


def _checked_wave(wave: Any) -> Any:
    """Checks a wave: floating point, [s] or [b, s], finite in float32; gives it in native byte order."""
    if isinstance(wave, Tracer):
        _check_shape(wave.shape, wave.dtype)
        return wave
    if np.ma.is_masked(wave):
        raise ValueError("expected a wave without masked samples; fill them, or cut them out")
    if not isinstance(wave, jax.Array):
        try:
            wave = np.asarray(wave)
        except ValueError:
            raise ValueError("expected a wave [s] or [b, s], got lists of different lengths") from None
    _check_shape(wave.shape, wave.dtype)
    with np.errstate(over="ignore"):
        held = np.asarray(wave).astype(np.float32)
    if not np.isfinite(held).all():
        raise ValueError("expected finite samples in -1 .. 1, got NaN, infinity or a number beyond float32")
    return wave if isinstance(wave, jax.Array) else held


def _check_shape(shape: tuple[int, ...], dtype: Any) -> None:
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"expected a wave [s] or [b, s] of at least 1 sample, got shape {shape}")
    if not jnp.issubdtype(dtype, jnp.floating):
        full = f"; divide by full scale, {-np.iinfo(dtype).min}" if dtype.kind == "i" else ""
        raise ValueError(f"expected floating-point samples in -1 .. 1, got {dtype}{full}")
    if len(shape) == 2 and shape[1] <= MOST_CHANNELS and shape[0] > shape[1]:
        raise ValueError(
            f"expected a wave [s] or [b, s], got shape {shape}, which looks like [samples, channels]; "
            "take wave.mean(axis=1) for mono, or wave.T for each channel by itself"
        )


def _check_rate(sample_rate_hz: Any) -> None:
    plain = isinstance(sample_rate_hz, int | float | np.integer | np.floating)
    if not plain or isinstance(sample_rate_hz, bool) or not 0 < sample_rate_hz < np.inf:
        raise ValueError(f"expected a positive, finite sample_rate_hz, got {sample_rate_hz!r}")


def _chosen(name: str, sample_rate_hz: Any, hyper: dict[str, Any]) -> Feature:
    try:
        return _make(name, sample_rate_hz, tuple(sorted(hyper.items())))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return lookup.load("feature", name, sample_rate_hz=sample_rate_hz, **hyper)


@functools.lru_cache(maxsize=256)
def _make(name: str, sample_rate_hz: int, hyper: tuple[tuple[str, Any], ...]) -> Feature:
    """Makes one Feature object per setting, so that a second call finds its compiled program."""
    return lookup.load("feature", name, sample_rate_hz=sample_rate_hz, **dict(hyper))


@functools.lru_cache(maxsize=256)
def _jitted(chosen: Feature) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    return jax.jit(jax.vmap(chosen.fn))
