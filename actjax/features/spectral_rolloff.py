"""Spectral rolloff."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.kernels import platform
from actjax.types import Feature


def feature(
    *, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048, share: float = 0.85
) -> Feature:
    """The lowest frequency below which `share` of the frame's summed magnitudes lies.

    A step function of the wave, so without derivative.

    Rows: one. Unit: Hz, 0 .. sample_rate_hz / 2. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate, or a share not in (0, 1).

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    bins_hz = np.asarray(dsp.fft_frequencies_hz(sample_rate_hz, n_fft), np.float32)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        reached = platform.dependent(
            shape,
            cpu=functools.partial(_first_reaching, share=share),
            default=functools.partial(_first_reaching_by_blocks, share=share),
        )
        return where_valid(jnp.asarray(bins_hz)[reached][None, :], valid)

    return at.feature("spectral_rolloff", fn, unit="Hz", reference="Peeters 2004", always_valid=False)


def _first_reaching(shape_tf: jax.Array, share: float):
    """[t] the first bin up to which the values sum to the share of all."""
    below = jnp.cumsum(shape_tf, axis=1)
    return jnp.argmax(below >= share * below[:, -1:], axis=1)


def _first_reaching_by_blocks(shape_tf: jax.Array, share: float):
    """The block first and then the bin in it: a GPU adds up every stretch of a running sum anew."""
    frames, bins = shape_tf.shape
    size = max(round(bins**0.5), 1)
    blocks = jnp.pad(shape_tf, ((0, 0), (0, -bins % size))).reshape(frames, -1, size)
    through = jnp.cumsum(jnp.sum(blocks, axis=2), axis=1)
    least = share * through[:, -1:]
    block = jnp.argmax(through >= least, axis=1)[:, None]
    before = jnp.where(block > 0, jnp.take_along_axis(through, jnp.maximum(block - 1, 0), axis=1), 0.0)
    within = jnp.take_along_axis(blocks, block[:, :, None], axis=1)[:, 0]
    # Rounded otherwise than the blocks' sums, a block may end just below the share.
    reached = (before + jnp.cumsum(within, axis=1) >= least) | (np.arange(size) == size - 1)[None, :]
    return jnp.minimum(block[:, 0] * size + jnp.argmax(reached, axis=1), bins - 1)
