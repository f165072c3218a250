"""Periodicity of the onset envelope: tempogram, tempo, pulse clarity."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.framing import fast_length


def tempogram(envelope_t: jax.Array, win_frames: int) -> tuple[jax.Array, jax.Array]:
    """Autocorrelation of the envelope around each frame, scaled to a maximum of 1 (Grosche et al. 2010).

    Args:
      envelope_t: [t] onset envelope.
      win_frames: length of the periodic Hann window; the envelope fades linearly to 0 over half of it at both
        ends.

    Returns:
      (local [t, win_frames] over lags, valid [t]: the envelope under the window is not 0).
    """
    frames, half = envelope_t.shape[0], win_frames // 2
    fade = jnp.asarray(np.arange(half) / max(half, 1), envelope_t.dtype)
    padded = jnp.concatenate([envelope_t[0] * fade, envelope_t, envelope_t[-1] * fade[::-1]])
    padded = jnp.pad(padded, (0, max(frames - 1 + win_frames - padded.shape[0], 0)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_frames) / win_frames)
    cut = padded[np.arange(frames)[:, None] + np.arange(win_frames)[None, :]]
    local = autocorrelation(cut * jnp.asarray(window, cut.dtype)[None, :], win_frames)
    peak = jnp.max(local, axis=1)
    valid = peak > jnp.finfo(local.dtype).tiny
    return jnp.where(valid[:, None], local / jnp.where(valid, peak, 1.0)[:, None], 0.0), valid


def autocorrelation(frames_ts: jax.Array, lags: int) -> jax.Array:
    """[t, lags] sums of x[s] x[s + lag] within each row of [t, s]; nothing wraps around."""
    length = fast_length(frames_ts.shape[1] + lags - 1)
    spectrum = jnp.fft.rfft(frames_ts, n=length, axis=1)
    return jnp.fft.irfft(spectrum.real**2 + spectrum.imag**2, n=length, axis=1)[:, :lags]


def tempo(
    envelope_t: jax.Array, *, frames_per_s: float, start_bpm: float = 120.0, max_bpm: float = 320.0
) -> tuple[jax.Array, jax.Array]:
    """(beats per minute, valid): the best lag of the mean tempogram (8 s window) under a log-normal prior.

    The prior is centred on start_bpm with a deviation of one octave (Ellis 2007); valid where any onset is.
    """
    win_frames = int(8.0 * frames_per_s)
    local, valid = tempogram(envelope_t, win_frames)
    bpm = 60.0 * frames_per_s / np.arange(1, win_frames)
    prior = -0.5 * np.log2(bpm / start_bpm) ** 2
    prior[bpm >= max_bpm] = -np.inf
    score = jnp.log1p(1e6 * jnp.mean(local, axis=0)[1:]) + jnp.asarray(prior, local.dtype)
    return jnp.asarray(bpm, local.dtype)[jnp.argmax(score)], jnp.any(valid)


def pulse_clarity(
    envelope_t: jax.Array, *, frames_per_s: float, bpm_range: tuple[float, float]
) -> tuple[jax.Array, jax.Array]:
    """(clarity, valid): the largest correlation of the envelope with itself at lags of those tempi."""
    frames = envelope_t.shape[0]
    first = max(round(60.0 * frames_per_s / bpm_range[1]), 1)
    last = min(round(60.0 * frames_per_s / bpm_range[0]), frames // 2)
    if last < first:  # the clip is too short to repeat
        return jnp.zeros((), envelope_t.dtype), jnp.zeros((), bool)
    centred = envelope_t - jnp.mean(envelope_t)
    square = centred**2
    product = autocorrelation(centred[None, :], last + 1)[0, first:]
    # Energy of the frames that have a partner `lag` later, and of these partners.
    lags = np.arange(first, last + 1)
    up_to, total = jnp.cumsum(square), jnp.sum(square)
    early, late = up_to[frames - 1 - lags], total - up_to[lags - 1]
    valid = total > jnp.finfo(total.dtype).tiny
    defined = valid & (early * late > 0)
    scale = jnp.sqrt(jnp.where(defined, early * late, 1.0))
    return jnp.max(jnp.where(defined, product / scale, -1.0)), valid
