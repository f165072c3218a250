"""Computing features of batches: many at once inside a program, or one by name from outside."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.types import Feature


def feature(name: str, wave: Any, *, sample_rate_hz: int = 22050, **hyper: Any) -> jax.Array:
    """Computes one feature by name.

    Args:
      name: the registry name, as `actjax.list_features()` gives it.
      wave: [s] or [b, s] samples in -1 .. 1, NumPy or JAX, floating point.
      sample_rate_hz: of the wave.
      **hyper: the feature's own options (`hop_samples`, `n_fft`, ...).

    Returns:
      [rows, frames] or [b, rows, frames] float32; invalid frames are NaN.

    Raises:
      UnknownNameError: no such feature or option; the message lists the nearest known.
      ValueError: a wave of another rank or type, empty, or with NaN or infinite samples.
    """
    shape, dtype = np.shape(wave), getattr(wave, "dtype", None)
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"expected a wave [s] or [b, s] of at least 1 sample, got shape {shape}")
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"expected floating-point samples in -1 .. 1, got {dtype}; divide by full scale")
    if not isinstance(wave, jax.core.Tracer) and not bool(np.isfinite(np.asarray(wave)).all()):
        raise ValueError("expected finite samples, got NaN or infinity in the wave")
    chosen = _make(name, sample_rate_hz, tuple(sorted(hyper.items())))
    single = len(shape) == 1
    if chosen.host:
        values, valid = compute_host(chosen, np.asarray(wave, np.float32).reshape(-1, shape[-1]))
    else:
        values, valid = _jitted(chosen)(jnp.asarray(wave, jnp.float32).reshape(-1, shape[-1]))
    marked = jnp.where(valid[:, None, :], values, jnp.nan)
    return marked[0] if single else marked


def compute(features: Sequence[Feature], wave_bs: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Computes features of a batch; meant to be called inside a jitted function.

    Every feature is written for one clip and calls the same blocks of `dsp` with its own settings, so
    features of equal settings trace to identical operations, and XLA computes these once: a batch has one
    Fourier transform per distinct (n_fft, hop), however many features are chosen. A test counts them.

    Args:
      features: what to compute; names must differ, and none may be a host feature.
      wave_bs: [b, s] float32 in -1 .. 1.

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
    return jax.vmap(lambda wave_s: {f.name: f.fn(wave_s) for f in features})(wave_bs)


def compute_host(chosen: Feature, wave_bs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A host feature of each clip of [b, s]: (values [b, rows, frames] float32, valid [b, frames] bool)."""
    pairs = [chosen.fn(wave_s) for wave_s in wave_bs]
    values, valid = (np.stack(part) for part in zip(*pairs, strict=True))
    return values.astype(np.float32), valid.astype(bool)


@functools.lru_cache(maxsize=256)
def _make(name, sample_rate_hz, hyper):
    """One Feature object per setting, so that a second call finds its compiled program."""
    return lookup.load("feature", name, sample_rate_hz=sample_rate_hz, **dict(hyper))


@functools.lru_cache(maxsize=256)
def _jitted(chosen):
    return jax.jit(jax.vmap(chosen.fn))
