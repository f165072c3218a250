"""Scores computed in each clip, as their mean, count and spread over clips."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic import long_counts

# A score within clips needs this share of valid clips.
VALID_CLIPS = 0.9


class ClipMeans(NamedTuple):
    """Means over valid clips of a metric's scores in each.

    Attributes:
      clips: `long_counts.Count`, clips so far, valid or not.
      count: [n, k] Count, the valid ones among them.
      observations: [n, k] Count, observations in valid clips.
      mean: {output: [n, k]}.
      m2: [n, k] sum of squared deviations of the score, or None.
    """

    clips: long_counts.Count
    count: long_counts.Count
    observations: long_counts.Count
    mean: dict[str, jax.Array]
    m2: jax.Array | None


def init(shape: tuple[int, int], outputs: tuple[str, ...], std_error: bool) -> ClipMeans:
    """No clips yet."""
    counts, zeros = long_counts.zero(shape), jnp.zeros(shape, jnp.float32)
    means = dict.fromkeys(outputs, zeros)
    return ClipMeans(long_counts.zero(), counts, counts, means, zeros if std_error else None)


def add(
    state: ClipMeans, scores: Mapping[str, jax.Array], mask_bo: jax.Array, clip_mask_b: jax.Array
) -> ClipMeans:
    """Merges a batch of clips' scores {output: [b, n, k]} into the means."""
    valid = ~jnp.isnan(scores["score"]) & clip_mask_b[:, None, None]
    count = jnp.sum(valid, 0)
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    means = {name: jnp.sum(jnp.where(valid, v, 0.0), 0) / divisor for name, v in scores.items()}
    m2 = None
    if state.m2 is not None:
        m2 = jnp.sum(jnp.where(valid, scores["score"] - means["score"][None], 0.0) ** 2, 0)
    lengths = jnp.sum(mask_bo, 1).astype(jnp.int32)
    observations = jnp.sum(jnp.where(valid, lengths[:, None, None], 0), 0)
    batch = ClipMeans(
        long_counts.of_mask(clip_mask_b),
        long_counts.of(count),
        long_counts.of(observations),
        means,
        m2,
    )
    return merge(state, batch)


def merge(a: ClipMeans, b: ClipMeans) -> ClipMeans:
    """The means over both sets of clips."""
    count = long_counts.add(a.count, b.count)
    of_a, of_b = long_counts.as_float(a.count), long_counts.as_float(b.count)
    weight = of_b / jnp.maximum(long_counts.as_float(count), 1)
    delta = {name: b.mean[name] - a.mean[name] for name in a.mean}
    m2 = None
    if a.m2 is not None and b.m2 is not None:
        m2 = a.m2 + b.m2 + delta["score"] ** 2 * of_a * weight
    mean = {name: a.mean[name] + delta[name] * weight for name in a.mean}
    clips, observations = (
        long_counts.add(a.clips, b.clips),
        long_counts.add(a.observations, b.observations),
    )
    return ClipMeans(clips, count, observations, mean, m2)


def finalize(state: ClipMeans) -> dict[str, Any]:
    """Means where enough clips are valid, else NaN; counts; the standard error over clips."""
    count = long_counts.as_float(state.count)
    valid = (count > 0) & (count >= VALID_CLIPS * long_counts.as_float(state.clips))
    result: dict[str, Any] = {name: jnp.where(valid, mean, jnp.nan) for name, mean in state.mean.items()}
    result["n_observations"] = state.observations
    if state.m2 is not None:
        several = valid & (count > 1)
        spread = jnp.sqrt(state.m2 / jnp.maximum(count - 1, 1) / jnp.maximum(count, 1))
        result["std_error"] = jnp.where(several, spread, jnp.nan)
    return result
