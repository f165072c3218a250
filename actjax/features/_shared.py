"""What every feature file needs: validity masks, safe ratios, row names."""

import jax
import jax.numpy as jnp


def every_frame(values_kt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(values, valid) of a feature defined on every frame."""
    return values_kt, jnp.ones(values_kt.shape[1], bool)


def where_valid(values_kt: jax.Array, valid_t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(values, valid) with 0 as the placeholder of undefined frames."""
    return jnp.where(valid_t[None, :], values_kt, 0.0), valid_t


def ratio(numerator: jax.Array, denominator: jax.Array, valid: jax.Array) -> jax.Array:
    """numerator / denominator where valid, 0 elsewhere, with finite derivatives in both places."""
    return jnp.where(valid, numerator / jnp.where(valid, denominator, 1.0), 0.0)


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Row names prefix_0, prefix_1, ..."""
    return tuple(f"{prefix}_{i}" for i in range(count))


def hz_names(centres_hz: tuple[float, ...]) -> tuple[str, ...]:
    """Row names from centre frequencies."""
    return tuple(f"{hz:.1f} Hz" for hz in centres_hz)


PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
