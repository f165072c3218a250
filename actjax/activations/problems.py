"""Which comparisons a run makes: every layer against every group of features that shares its grid.

A problem is one batched comparison: all neurons of a layer against all rows of a few features that
live on the same grid with the same mask. `plan` lays them out from static shapes; `observe_layer`
and `observe_features` turn one batch of activations and features into its two sides on the device.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from actjax.activations import given, views
from actjax.types import Feature, Frontend, Layer

# Views on fewer frames are not made, nor cell-by-cell map views on fewer bands.
MIN_FRAMES = 4
MIN_BANDS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """One batched comparison.

    Attributes:
      layer: whose neurons are compared.
      view: "clip" or "frame": sides are [b, o, n] and [b, o, k]; "map": [b, n, f, t] and
        [b, k, rows, t].
      features: the features compared, in order.
      rows: one (feature name, row) per column of the feature side; row -1 is the whole feature.
      time: the common frames; None in the clip view.
      frequency: the common bands of a cell-by-cell map view, else None.
      layer_usable_f, layer_usable_t: [f], [t] cells of the layer that see no padding.
      layer_hz: [f] centre frequencies of the layer's cells.
      feature_frames: the frames of each feature, for the clip view.
      cells: map view: True if both sides lie on common cells in frequency, too.
      split_frequency: every (channel, frequency cell) is a neuron of its own.
      neurons: how many neurons the layer side has.
    """

    layer: Layer
    view: str
    features: tuple[Feature, ...]
    rows: tuple[tuple[str, int], ...]
    time: views.Grid | None = None
    frequency: views.Grid | None = None
    layer_usable_f: np.ndarray | None = None
    layer_usable_t: np.ndarray | None = None
    layer_hz: np.ndarray | None = None
    feature_frames: tuple[views.Cells, ...] = ()
    cells: bool = False
    split_frequency: bool = False
    neurons: int = 0

    @property
    def name(self) -> str:
        """A label that is unique in a plan."""
        features = "+".join(f.name for f in self.features)
        return f"{self.layer.name}/{self.view}{'/cells' if self.cells else ''}/{features}"


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A comparison that cannot be made, and why."""

    layer: str
    view: str
    feature: str
    reason: str


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What a plan depends on beside layers and features.

    Attributes:
      frontend: makes the network's input.
      band_centres_hz: [bands] of the input.
      clip_samples: the length of a clip.
      wants: (view, cells) that some chosen metric asks for.
      neurons: "channel" or "channel_freq".
      grid: "time" or "seed".
    """

    frontend: Frontend
    band_centres_hz: np.ndarray
    clip_samples: int
    wants: frozenset[tuple[str, bool]]
    neurons: str = "channel"
    grid: str = "time"

    @property
    def clip_s(self) -> float:
        """The clip's length in seconds."""
        return self.clip_samples / self.frontend.sample_rate_hz


def frames_of(feature: Feature, clip_samples: int) -> int:
    """The number of frames a feature has on a clip; of a host feature by computing it on silence."""
    if isinstance(feature, given.GivenFeature):
        return feature.frames
    if feature.host:
        return feature.fn(np.zeros(clip_samples, np.float32))[0].shape[1]
    wave = jax.ShapeDtypeStruct((clip_samples,), jnp.float32)
    return jax.eval_shape(feature.fn, wave)[0].shape[1]


def plan(
    layers: Sequence[Layer], features: Sequence[Feature], setting: Setting
) -> tuple[list[Problem], list[LeftOut]]:
    """All comparisons of the layers with the features in the views that the metrics ask for."""
    problems, left_out = [], []
    frames = {f.name: frames_of(f, setting.clip_samples) for f in features}
    for layer in layers:
        for view, cells in sorted(setting.wants):
            candidates = []
            for feature in features:
                reason = _unfit(layer, feature, view, cells)
                if reason is None:
                    candidates.append(feature)
                elif reason:
                    left_out.append(LeftOut(layer.name, view, feature.name, reason))
            groups: dict = {}
            for feature in candidates:
                groups.setdefault(_group_key(feature, view, cells, frames), []).append(feature)
            for group in groups.values():
                made = _problem(layer, tuple(group), view, cells, frames, setting)
                if isinstance(made, str):
                    left_out.extend(LeftOut(layer.name, view, f.name, made) for f in group)
                else:
                    problems.append(made)
    return problems, sorted(set(left_out), key=dataclasses.astuple)


def observe_layer(problem: Problem, output: jax.Array) -> jax.Array:
    """The layer's side of a problem: [b, o, n], or [b, n, f, t] in the map view.

    Args:
      problem: from `plan`.
      output: [b, f, t, c] activation maps, or [b, c] of an embedding.
    """
    output = output.astype(jnp.float32)
    if not problem.layer.is_map:
        return output[:, None, :]
    if problem.view == "map":
        return _layer_map(problem, output)
    if problem.split_frequency:
        b, _, t, c = output.shape
        usable = np.flatnonzero(problem.layer_usable_f)
        series = output[:, usable].transpose(0, 2, 3, 1).reshape(b, t, c * len(usable))
    else:
        series = views.pool_frequency(output, problem.layer_usable_f)
    if problem.view == "frame":
        return views.average(problem.time.of_layer, series, axis=1)
    weights = problem.layer_usable_t / max(problem.layer_usable_t.sum(), 1)
    return views.average(jnp.asarray(weights[None, :], jnp.float32), series, axis=1)


def observe_features(
    problem: Problem, values: Mapping[str, tuple[jax.Array, jax.Array]], length_s_b: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The features' side and the mask of a problem.

    Args:
      problem: from `plan`.
      values: feature name -> ([b, rows, frames], [b, frames] valid).
      length_s_b: [b] seconds of signal in each clip; what lies beyond is padding.

    Returns:
      ([b, o, k], [b, o]), or ([b, k, rows, t], [b, t]) in the map view. In the clip view each feature
      has its own mask, so a feature that is undefined on a clip is NaN there and the mask is all True.
    """
    if problem.view == "clip":
        return _clip_features(problem, values, length_s_b)
    averaged = [views.average_valid(problem.time.of_feature, *values[f.name]) for f in problem.features]
    in_signal = jnp.asarray(problem.time.ends, jnp.float32)[None, :] <= length_s_b[:, None] + 1e-6
    # Features of one problem share their mask: see _group_key.
    mask = averaged[0][1] & in_signal
    if problem.view == "frame":
        return jnp.concatenate([v for v, _ in averaged], axis=1).transpose(0, 2, 1), mask
    if problem.cells:
        weights = problem.frequency.of_feature
        return jnp.stack([views.average(weights, v, axis=1) for v, _ in averaged], axis=1), mask
    # Zero rows change neither inner products nor distances of frames: features of unequal rows stack.
    most = max(f.rows for f in problem.features)
    padded = [jnp.pad(v, ((0, 0), (0, most - v.shape[1]), (0, 0))) for v, _ in averaged]
    return jnp.stack(padded, axis=1), mask


def _layer_map(problem: Problem, output: jax.Array) -> jax.Array:
    maps = views.average(problem.time.of_layer, output, axis=2)
    if problem.cells:
        maps = views.average(problem.frequency.of_layer, maps, axis=1)
    else:
        maps = maps[:, np.flatnonzero(problem.layer_usable_f)]
    return maps.transpose(0, 3, 1, 2)


def _clip_features(problem, values, length_s_b):
    columns = []
    for feature, frames in zip(problem.features, problem.feature_frames, strict=True):
        series_bkt, valid_bt = values[feature.name]
        ends = jnp.asarray(frames.reach[:, 1], jnp.float32)
        seen = valid_bt & jnp.asarray(frames.usable)[None, :] & (ends[None, :] <= length_s_b[:, None] + 1e-6)
        weights = seen.astype(series_bkt.dtype)
        count = weights.sum(axis=1)
        # What is not seen may be anything; 0 keeps it out of the sum.
        shown = jnp.where(seen[:, None, :], series_bkt, 0.0)
        mean = shown.sum(axis=2) / jnp.maximum(count, 1.0)[:, None]
        columns.append(jnp.where(count[:, None] > 0, mean, jnp.nan))
    y_bk = jnp.concatenate(columns, axis=1)
    return y_bk[:, None, :], jnp.ones((y_bk.shape[0], 1), bool)


def _unfit(layer: Layer, feature: Feature, view: str, cells: bool) -> str | None:
    """None if the pair can be compared, '' if the view is not meant for it, else the reason."""
    if view == "clip":
        return None
    if not layer.is_map or feature.hop_samples is None:
        return ""
    if view == "map" and feature.rows < 2:
        return ""
    if view == "map" and cells and feature.axis != "frequency":
        return ""
    return None


def _group_key(feature: Feature, view: str, cells: bool, frames: Mapping[str, int]):
    """Features with equal keys are compared together: on one grid, under one mask."""
    if view == "clip":
        return ()
    rate = feature.sample_rate_hz
    timing = (feature.hop_samples / rate, feature.first_frame_s, feature.window_samples / rate)
    timing += (frames[feature.name],)
    mask = None if feature.always_valid else feature.name
    return (timing, mask, feature.centres_hz if cells else None)


def _problem(layer, features, view, cells, frames, setting: Setting) -> Problem | str:
    """The comparison of a layer with a group of features, or why it cannot be made."""
    whole = view == "map"
    rows = tuple((f.name, -1 if whole else r) for f in features for r in range(1 if whole else f.rows))
    split = setting.neurons == "channel_freq" and view == "frame" and layer.is_map
    fields: dict = {"cells": cells, "split_frequency": split, "neurons": layer.neurons}
    if layer.is_map:
        layer_t = views.layer_time(layer, setting.frontend, setting.clip_s)
        layer_f = views.layer_frequency(layer, setting.band_centres_hz)
        if not layer_t.usable.any():
            return f"every frame of {layer.name} sees padding: use longer clips or smaller kernels"
        fields |= {"layer_usable_f": layer_f.usable, "layer_usable_t": layer_t.usable}
        fields["layer_hz"] = layer_f.centres
        if split:
            fields["neurons"] = layer.neurons * int(layer_f.usable.sum())
    feature_frames = tuple(_frames(f, frames[f.name], setting.clip_s) for f in features)
    if view == "clip":
        fields["feature_frames"] = feature_frames
    elif setting.grid == "seed":
        fields["time"] = views.seed_grid(layer.time.size, frames[features[0].name])
    else:
        fields["time"] = views.common_grid(layer_t, feature_frames[0])
    if cells and setting.grid == "seed":
        fields["frequency"] = views.seed_grid(layer.frequency.size, features[0].rows)
    elif cells:
        fields["frequency"] = views.common_grid(layer_f, views.feature_frequency(features[0]))
    too_few = _too_few(layer, fields)
    return too_few or Problem(layer=layer, view=view, features=features, rows=rows, **fields)


def _frames(feature: Feature, frames: int, clip_s: float) -> views.Cells:
    if feature.hop_samples is None:
        return views.Cells(np.zeros((frames, 2)), np.zeros((frames, 2)), np.ones(frames, bool))
    return views.feature_time(feature, frames, clip_s)


def _too_few(layer: Layer, fields: Mapping) -> str | None:
    for axis, unit, needed in (("time", "frames", MIN_FRAMES), ("frequency", "bands", MIN_BANDS)):
        if axis in fields and fields[axis].size < needed:
            return f"only {fields[axis].size} {unit} of {layer.name} see no padding, {needed} are needed"
    return None
