"""Which comparisons a run makes: every layer against every group of features that shares its grid.

A problem is one batched comparison: all neurons of a layer against all rows of a few features that
live on the same grid with the same mask. `plan` lays them out from static shapes; `activations.observe`
turns one batch of activations and features into the two sides of each on the device.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.activations import views
from actjax.extraction import tabulated
from actjax.extraction.compute import host_frames
from actjax.types import Feature, Frontend, Layer, LeftOut

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
      layer_usable_f: [f] bands of the layer that see no padding.
      layer_cells_t: the layer's frames; None of an embedding.
      layer_hz: [f] centre frequencies of the layer's cells.
      feature_frames: the frames of each feature, for the clip view.
      cells: map view: True if both sides lie on common cells in frequency, too.
      split_frequency: every (channel, frequency cell) is a neuron of its own.
      neurons: how many neurons the layer side has.
      nuisances: features whose rows follow those of `features` on that side, to be held fixed.
      nuisance_frames: their frames, for the clip view.
    """

    layer: Layer
    view: str
    features: tuple[Feature, ...]
    rows: tuple[tuple[str, int], ...]
    time: views.Grid | None = None
    frequency: views.Grid | None = None
    layer_usable_f: np.ndarray | None = None
    layer_cells_t: views.Cells | None = None
    layer_hz: np.ndarray | None = None
    feature_frames: tuple[views.Cells, ...] = ()
    cells: bool = False
    split_frequency: bool = False
    neurons: int = 0
    nuisances: tuple[Feature, ...] = ()
    nuisance_frames: tuple[views.Cells, ...] = ()

    @property
    def common_time(self) -> views.Grid:
        """The common frames of a frame or map view."""
        assert self.time is not None, "the clip view has no frames"
        return self.time

    @property
    def common_frequency(self) -> views.Grid:
        """The common bands of a cell-by-cell map view."""
        assert self.frequency is not None, "only a cell-by-cell map view has common bands"
        return self.frequency

    @property
    def layer_frames(self) -> views.Cells:
        """The frames of a layer of maps."""
        assert self.layer_cells_t is not None, "an embedding has no frames"
        return self.layer_cells_t

    @property
    def usable_bands(self) -> np.ndarray:
        """The bands of a layer of maps that see no padding."""
        return np.flatnonzero(np.zeros(0) if self.layer_usable_f is None else self.layer_usable_f)

    @property
    def band_hz(self) -> np.ndarray:
        """The centre frequencies of these bands; NaN where nobody knows them."""
        return np.zeros(0) if self.layer_hz is None else self.layer_hz[self.usable_bands]

    @property
    def name(self) -> str:
        """A label that is unique in a plan."""
        features = "+".join(f.name for f in self.features)
        return f"{self.layer.name}/{self.view}{'/cells' if self.cells else ''}/{features}"


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
      nuisances: names of features that some metric holds fixed.
    """

    frontend: Frontend
    band_centres_hz: np.ndarray
    clip_samples: int
    wants: frozenset[tuple[str, bool]]
    neurons: str = "channel"
    grid: str = "time"
    nuisances: tuple[str, ...] = ()

    @property
    def clip_s(self) -> float:
        """The clip's length in seconds."""
        return self.clip_samples / self.frontend.sample_rate_hz


def frames_of(feature: Feature, clip_samples: int) -> int:
    """Counts the frames that a feature has on a clip; of a host feature by computing it on silence."""
    if isinstance(feature, tabulated.GivenFeature):
        return feature.frames
    if feature.host:
        return host_frames(feature, clip_samples)
    wave = jax.ShapeDtypeStruct((clip_samples,), jnp.float32)
    return jax.eval_shape(feature.fn, wave)[0].shape[1]


def plan(
    layers: Sequence[Layer], features: Sequence[Feature], setting: Setting
) -> tuple[list[Problem], list[LeftOut]]:
    """Lays out all comparisons of the layers with the features in the views that metrics ask for."""
    problems, left_out = [], []
    frames = {f.name: frames_of(f, setting.clip_samples) for f in features}
    held = _nuisances(features, setting)
    for layer in layers:
        for view, cells in sorted(setting.wants):
            candidates = []
            for feature in features:
                reason = _unfit(layer, feature, view, cells)
                if reason is None:
                    candidates.append(feature)
                elif reason:
                    left_out.append(LeftOut(layer.name, view, feature.name, reason))
            groups: dict[tuple[Any, ...], list[Feature]] = {}
            for feature in candidates:
                groups.setdefault(_group_key(feature, view, cells, frames), []).append(feature)
            for group in groups.values():
                problem = _problem(layer, tuple(group), view, cells, frames, setting)
                if isinstance(problem, str):
                    left_out.extend(LeftOut(layer.name, view, f.name, problem) for f in group)
                else:
                    problems.append(_holding(problem, held, frames, setting))
    return problems, sorted(set(left_out))


def _nuisances(features: Sequence[Feature], setting: Setting) -> tuple[Feature, ...]:
    """Finds the features to be held fixed, which must be among the chosen ones and defined everywhere."""
    known = {f.name: f for f in features}
    for name in setting.nuisances:
        if name not in known:
            raise ValueError(f"score.nuisances names {name!r}, which is not in score.features: add it there")
        if not known[name].always_valid or known[name].hop_samples is None:
            raise ValueError(f"score.nuisances wants features defined in every frame, which {name} is not")
    return tuple(known[name] for name in setting.nuisances)


def _holding(
    problem: Problem, held: tuple[Feature, ...], frames: Mapping[str, int], setting: Setting
) -> Problem:
    """Adds the nuisances on the problem's grid; comparisons of frame geometry hold nothing fixed."""
    if not held or (problem.view == "map" and not problem.cells):
        return problem
    if problem.view != "clip":
        for feature in held:
            timing = (feature.hop_samples, frames[feature.name])
            if timing != (problem.features[0].hop_samples, frames[problem.features[0].name]):
                raise ValueError(
                    f"score.nuisances: {feature.name} has other frames than {problem.features[0].name}; "
                    "give both the same hop_samples"
                )
    cells = tuple(views.feature_time(f, frames[f.name], setting.clip_s) for f in held)
    return dataclasses.replace(problem, nuisances=held, nuisance_frames=cells)


def _unfit(layer: Layer, feature: Feature, view: str, cells: bool) -> str | None:
    """Returns None if the pair can be compared, '' if the view is not meant for it, else the reason."""
    if view == "clip":
        return None
    if not layer.is_map or feature.hop_samples is None:
        return ""
    if view == "map" and feature.rows < 2:
        return ""
    if view == "map" and cells and feature.axis != "frequency":
        return ""
    return None


def _group_key(feature: Feature, view: str, cells: bool, frames: Mapping[str, int]) -> tuple[Any, ...]:
    """Makes the key that features share which are compared together: on one grid, under one mask."""
    if view == "clip" or feature.hop_samples is None:
        return ()
    rate = feature.sample_rate_hz
    timing = (feature.hop_samples / rate, feature.first_frame_s, feature.window_samples / rate)
    timing += (frames[feature.name],)
    mask = None if feature.always_valid else feature.name
    return (timing, mask, feature.centres_hz if cells else None)


def _problem(
    layer: Layer,
    features: tuple[Feature, ...],
    view: str,
    cells: bool,
    frames: Mapping[str, int],
    setting: Setting,
) -> Problem | str:
    """Makes the comparison of a layer with a group of features, or says why it cannot be made."""
    whole = view == "map"
    rows = tuple((f.name, -1 if whole else r) for f in features for r in range(1 if whole else f.rows))
    feature_frames = tuple(views.feature_time(f, frames[f.name], setting.clip_s) for f in features)
    problem = Problem(layer, view, features, rows, cells=cells, neurons=layer.neurons)
    if view == "clip":
        problem = dataclasses.replace(problem, feature_frames=feature_frames)
    if layer.time is None or layer.frequency is None:
        return problem
    layer_t = views.layer_time(layer.time, setting.frontend, setting.clip_s)
    layer_f = views.layer_frequency(layer.frequency, setting.band_centres_hz)
    if not layer_t.usable.any():
        return f"every frame of {layer.name} sees padding: use longer clips or smaller kernels"
    problem = dataclasses.replace(
        problem, layer_usable_f=layer_f.usable, layer_cells_t=layer_t, layer_hz=layer_f.centres
    )
    if view == "clip":
        return problem
    if setting.neurons == "channel_freq" and view == "frame":
        neurons = layer.neurons * int(layer_f.usable.sum())
        problem = dataclasses.replace(problem, split_frequency=True, neurons=neurons)
    time, frequency = None, None
    if setting.grid == "seed":
        time = views.seed_grid(layer.time.size, frames[features[0].name], setting.clip_s)
        frequency = views.seed_grid(layer.frequency.size, features[0].rows) if cells else None
    else:
        time = views.common_grid(layer_t, feature_frames[0])
        frequency = views.common_grid(layer_f, views.feature_frequency(features[0])) if cells else None
    return _too_few(layer, time, frequency) or dataclasses.replace(problem, time=time, frequency=frequency)


def _too_few(layer: Layer, time: views.Grid, frequency: views.Grid | None) -> str | None:
    """Says why a common grid is too small to compare on; None if it is not."""
    for grid, unit, needed in ((time, "frames", MIN_FRAMES), (frequency, "bands", MIN_BANDS)):
        if grid is not None and grid.size < needed:
            return f"only {grid.size} {unit} of {layer.name} see no padding, {needed} are needed"
    return None
