"""What every feature file needs: validity masks, safe ratios, row names."""

import jax
import jax.numpy as jnp

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def every_frame(values_kt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(values, valid) of a feature defined on every frame."""
    return values_kt, jnp.ones(values_kt.shape[1], bool)


def where_valid(values_kt: jax.Array, valid_t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(values, valid) with 0 as the placeholder of undefined frames."""
    return jnp.where(valid_t[None, :], values_kt, 0.0), valid_t


def spectral_shape(spectrum_tf: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(each frame's spectrum over its sum [t, f], valid [t]: the frame is not silent)."""
    total = jnp.sum(spectrum_tf, axis=1)
    valid = total > jnp.finfo(spectrum_tf.dtype).tiny
    return spectrum_tf / jnp.where(valid, total, 1.0)[:, None], valid


def scaled_to_peak(rows_kt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(values, valid): each frame over its largest value; invalid where that is 0."""
    peak = jnp.max(rows_kt, axis=0)
    valid = peak > jnp.finfo(rows_kt.dtype).tiny
    return where_valid(rows_kt / jnp.where(valid, peak, 1.0)[None, :], valid)


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Row names prefix_0, prefix_1, ..."""
    return tuple(f"{prefix}_{i}" for i in range(count))


def hz_names(centres_hz: tuple[float, ...]) -> tuple[str, ...]:
    """Row names from centre frequencies."""
    return tuple(f"{hz:.1f} Hz" for hz in centres_hz)
