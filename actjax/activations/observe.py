"""One batch of activations and features as the two sides of a problem, on the device."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from actjax.activations import views
from actjax.activations.comparisons import Problem

# Feature name -> ([b, rows, frames], [b, frames] valid).
Values = Mapping[str, tuple[jax.Array, jax.Array]]


def observe_layer(problem: Problem, output: jax.Array, length_s_b: jax.Array) -> jax.Array:
    """Makes the layer's side of a problem: [b, o, n], or [b, n, f, t] in the map view.

    In the clip view a map layer's value is the mean over the cells that see signal alone. An embedding is
    one value for the whole of what the network was given, padding included.

    Args:
      problem: from `plan`.
      output: [b, f, t, c] activation maps, or [b, c] of an embedding.
      length_s_b: [b] seconds of signal in each clip; what lies beyond is padding.
    """
    output = output.astype(jnp.float32)
    if not problem.layer.is_map:
        return output[:, None, :]
    if problem.view == "map":
        return _layer_map(problem, output)
    if problem.split_frequency:
        b, _, t, c = output.shape
        usable = problem.usable_bands
        series = output[:, usable].transpose(0, 2, 3, 1).reshape(b, t, c * len(usable))
    else:
        series = views.pool_frequency(output, problem.usable_bands)
    if problem.view == "frame":
        return views.average(problem.common_time.of_layer, series, axis=1)
    seen = views.within(problem.layer_frames, length_s_b).astype(series.dtype)
    # What is not seen may be anything; 0 keeps it out of the sum.
    total = jnp.sum(jnp.where(seen[:, :, None] > 0, series, 0.0), axis=1, keepdims=True)
    return total / jnp.maximum(seen.sum(axis=1), 1.0)[:, None, None]


def observe_features(problem: Problem, values: Values, length_s_b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Makes the features' side and the mask of a problem.

    Args:
      problem: from `plan`.
      values: feature name -> ([b, rows, frames], [b, frames] valid).
      length_s_b: [b] seconds of signal in each clip; what lies beyond is padding.

    Returns:
      ([b, o, k], [b, o]), or ([b, k, rows, t], [b, t]) in the map view; the rows of nuisances come
      last. In the clip view each feature has its own mask, so a feature that is undefined on a clip is
      NaN there; the mask is False where the layer has no cell that sees signal alone.
    """
    if problem.view == "clip":
        y = _clip_features(problem, values, length_s_b)
        if problem.layer_cells_t is None:
            return y, jnp.ones(y.shape[:2], bool)
        return y, views.within(problem.layer_cells_t, length_s_b).any(axis=1)[:, None]
    y, mask = _features_on_grid(problem, values, length_s_b)
    if not problem.nuisances:
        return y, mask
    held = [
        views.average_valid(problem.common_time.of_feature, *values[f.name])[0] for f in problem.nuisances
    ]
    held_bqt = jnp.concatenate(held, axis=1)
    if problem.view == "frame":
        return jnp.concatenate([y, held_bqt.transpose(0, 2, 1)], axis=2), mask
    # Every band of a map is given the nuisance of its frame.
    shape = (*held_bqt.shape[:2], y.shape[2], held_bqt.shape[2])
    return jnp.concatenate([y, jnp.broadcast_to(held_bqt[:, :, None], shape)], axis=1), mask


def _features_on_grid(problem: Problem, values: Values, length_s_b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Averages the features onto the common grid, and says where they are valid."""
    averaged = [
        views.average_valid(problem.common_time.of_feature, *values[f.name]) for f in problem.features
    ]
    in_signal = views.ends_within(problem.common_time.ends, length_s_b)
    # Features of one problem share their mask: see `comparisons.plan`.
    mask = averaged[0][1] & in_signal
    if problem.view == "frame":
        return jnp.concatenate([v for v, _ in averaged], axis=1).transpose(0, 2, 1), mask
    if problem.cells:
        weights = problem.common_frequency.of_feature
        return jnp.stack([views.average(weights, v, axis=1) for v, _ in averaged], axis=1), mask
    # Zero rows change neither inner products nor distances of frames: features of unequal rows stack.
    most = max(f.rows for f in problem.features)
    padded = [jnp.pad(v, ((0, 0), (0, most - v.shape[1]), (0, 0))) for v, _ in averaged]
    return jnp.stack(padded, axis=1), mask


def _layer_map(problem: Problem, output: jax.Array) -> jax.Array:
    """[b, f, t, c] -> [b, c, f, t] on the common grid."""
    maps = views.average(problem.common_time.of_layer, output, axis=2)
    if problem.cells:
        maps = views.average(problem.common_frequency.of_layer, maps, axis=1)
    else:
        maps = maps[:, problem.usable_bands]
    return maps.transpose(0, 3, 1, 2)


def _clip_features(problem: Problem, values: Values, length_s_b: jax.Array) -> jax.Array:
    """[b, 1, k] the mean of every row over the frames that see signal alone; NaN where there is none."""
    columns = []
    features = problem.features + problem.nuisances
    for feature, frames in zip(features, problem.feature_frames + problem.nuisance_frames, strict=True):
        series_bkt, valid_bt = values[feature.name]
        seen = valid_bt & views.within(frames, length_s_b)
        weights = seen.astype(series_bkt.dtype)
        count = weights.sum(axis=1)
        # What is not seen may be anything; 0 keeps it out of the sum.
        shown = jnp.where(seen[:, None, :], series_bkt, 0.0)
        mean = shown.sum(axis=2) / jnp.maximum(count, 1.0)[:, None]
        columns.append(jnp.where(count[:, None] > 0, mean, jnp.nan))
    return jnp.concatenate(columns, axis=1)[:, None, :]
