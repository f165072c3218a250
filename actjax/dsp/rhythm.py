"""Periodicity of the onset envelope: tempogram, tempo, pulse clarity."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.autocorrelation import autocorrelation, summed_autocorrelation
from actjax.dsp.spectrum import hann_window


def tempogram(
    envelope_t: jax.Array, win_frames: int, inside_t: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Autocorrelation of the envelope around each frame, scaled to a maximum of 1 (Grosche et al. 2010).

    Args:
      envelope_t: [t] onset envelope.
      win_frames: length of the periodic Hann window; the envelope fades linearly to 0 over half of it at both
        ends.
      inside_t: [t] bool, the first frames, which are those that count; None for all.

    Returns:
      (local [t, win_frames] over lags, valid [t]: the envelope under the window is not 0).
    """
    local = autocorrelation(_under_windows(envelope_t, win_frames, inside_t), win_frames)
    local = local if inside_t is None else jnp.where(inside_t[:, None], local, 0.0)
    peak = local[:, 0]  # no lag has more
    valid = peak > jnp.finfo(local.dtype).tiny
    return jnp.where(valid[:, None], local / jnp.where(valid, peak, 1.0)[:, None], 0.0), valid


def _under_windows(envelope_t: jax.Array, win_frames: int, inside_t: jax.Array | None):
    """[t, win_frames] the envelope around each frame, as `tempogram` takes it."""
    frames, half = envelope_t.shape[0], win_frames // 2
    fade = jnp.asarray(np.arange(half) / max(half, 1), envelope_t.dtype)
    if inside_t is None:
        padded = jnp.concatenate([envelope_t[0] * fade, envelope_t, envelope_t[-1] * fade[::-1]])
    else:
        # Frame `count` is the first of the fade that follows the last frame inside.
        count, frame = jnp.sum(inside_t), jnp.arange(frames + half)
        falling = jnp.maximum(half - 1 - (frame - count), 0).astype(envelope_t.dtype) / max(half, 1)
        padded = jnp.pad(envelope_t, (0, half))
        tail = jnp.where(frame < count, padded, envelope_t[jnp.maximum(count - 1, 0)] * falling)
        padded = jnp.concatenate([envelope_t[0] * fade, tail])
    padded = jnp.pad(padded, (0, max(frames - 1 + win_frames - padded.shape[0], 0)))
    cut = padded[np.arange(frames)[:, None] + np.arange(win_frames)[None, :]]
    return cut * jnp.asarray(hann_window(win_frames), cut.dtype)[None, :]


def tempo(
    envelope_t: jax.Array,
    *,
    frames_per_s: float,
    start_bpm: float = 120.0,
    max_bpm: float = 320.0,
    inside_t: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """(beats per minute, valid): the best lag of the mean tempogram (8 s window) under a log-normal prior.

    The prior is centred on start_bpm with a deviation of one octave (Ellis 2007); valid where any onset is.
    """
    win_frames = int(8.0 * frames_per_s)
    rows = _under_windows(envelope_t, win_frames, inside_t)
    # A frame's autocorrelation is largest at lag 0, and their sum is the transform of a sum: of one row.
    energy = jnp.sum(rows**2, axis=1)
    energy = energy if inside_t is None else jnp.where(inside_t, energy, 0.0)
    valid = energy > jnp.finfo(rows.dtype).tiny
    scale = jnp.where(valid, jax.lax.rsqrt(jnp.where(valid, energy, 1.0)), 0.0)
    total = summed_autocorrelation(rows * scale[:, None], win_frames)
    count = len(rows) if inside_t is None else jnp.maximum(jnp.sum(inside_t), 1).astype(rows.dtype)
    bpm = 60.0 * frames_per_s / np.arange(1, win_frames)
    prior = -0.5 * np.log2(bpm / start_bpm) ** 2
    prior[bpm >= max_bpm] = -np.inf
    score = jnp.log1p(1e6 * jnp.maximum(total[1:], 0.0) / count) + jnp.asarray(prior, rows.dtype)
    return jnp.asarray(bpm, rows.dtype)[jnp.argmax(score)], jnp.any(valid)


def pulse_clarity(
    envelope_t: jax.Array,
    *,
    frames_per_s: float,
    bpm_range: tuple[float, float],
    inside_t: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """(clarity, valid): the largest correlation of the envelope with itself at lags of those tempi.

    Only the first frames, of which inside_t is True, take part.
    """
    frames = envelope_t.shape[0]
    inside = jnp.ones(frames, bool) if inside_t is None else inside_t
    count = jnp.sum(inside)
    first = max(round(60.0 * frames_per_s / bpm_range[1]), 1)
    last = min(round(60.0 * frames_per_s / bpm_range[0]), frames // 2)
    if last < first:  # the clip is too short to repeat
        return jnp.zeros((), envelope_t.dtype), jnp.zeros((), bool)
    mean = jnp.sum(jnp.where(inside, envelope_t, 0.0)) / jnp.maximum(count, 1).astype(envelope_t.dtype)
    centred = jnp.where(inside, envelope_t - mean, 0.0)
    product = autocorrelation(centred[None, :], last + 1)[0, first:]
    # Energy of the frames that have a partner `lag` later, and of these partners.
    lags = np.arange(first, last + 1)
    up_to, total = jnp.cumsum(centred**2), jnp.sum(centred**2)
    early, late = up_to[jnp.maximum(count - 1 - lags, 0)], total - up_to[lags - 1]
    valid = (total > jnp.finfo(total.dtype).tiny) & (count // 2 >= first)
    defined = valid & (early * late > 0) & (lags <= count // 2)
    scale = jnp.sqrt(jnp.where(defined, early * late, 1.0))
    return jnp.max(jnp.where(defined, product / scale, -1.0)), valid
