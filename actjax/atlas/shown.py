"""Writes what is seen and heard of clips: sounds, spectrograms, maps, curves beside the features."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from actjax.atlas import activity, media
from actjax.atlas.activity import Heard
from actjax.atlas.coded import as_text, levels, rounded
from actjax.report.neurons import Best
from actjax.report.summary import Summary
from actjax.scoring import networks
from actjax.types import Feature, Layer

# Points of a curve over a clip.
POINTS = 96
# Cells of a map that is shown, at most; larger ones are thinned.
MOST_CELLS = (48, 128)


class Opened(Protocol):
    """The network and its layers."""

    @property
    def network(self) -> networks.Network:
        """What it is."""
        ...

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those that are shown."""
        ...


class Pictured(NamedTuple):
    """What the pages of neurons show of clips.

    Attributes:
      neurons: (layer, neuron) -> "map", a picture's path, "curves", "feature_means", a key of the next.
      feature_means: a feature's row -> [clips] its mean on each clip that has a sound, else NaN.
    """

    neurons: dict[tuple[str, int], dict[str, Any]]
    feature_means: dict[str, np.ndarray]


class _Seen(NamedTuple):
    """What is kept of one neuron on the clips that are shown of it, by role."""

    maps: dict[int, np.ndarray]
    curves: dict[int, np.ndarray]
    feature: dict[int, np.ndarray]


def write_clips(
    folder: Path,
    heard: Iterable[Heard],
    of_neurons: Mapping[str, np.ndarray],
    opened: Opened,
    best: Best,
    summary: Summary,
    features: Sequence[Feature],
) -> Pictured:
    """Writes clips/<i>.ogg and .png, maps/<layer>-<neuron>.png, and keeps the curves.

    Args:
      folder: the atlas's.
      heard: the clips that have sounds, one after the other.
      of_neurons: layer -> [n, roles] the clips of each neuron.
      opened: the network.
      best: what each neuron follows.
      summary: names the layers.
      features: those that some neuron follows.
    """
    front, grid = opened.network.frontend, _grid(opened.network)
    wanted, follows = _wanted(of_neurons), _follows(best, summary)
    made = {f.name: f for f in features}
    seen: dict[tuple[str, int], _Seen] = {}
    means: dict[tuple[str, int], dict[int, float]] = {}
    for one in heard:
        media.write_sound(folder / "clips" / f"{one.clip}.ogg", one.wave_s, front.sample_rate_hz)
        media.write_image(folder / "clips" / f"{one.clip}.png", one.image_ft)
        for key in set(follows.values()):
            means.setdefault(key, {})[one.clip] = _mean_of(one, *key)
        for layer, n, role in wanted.get(one.clip, ()):
            kept = seen.setdefault((layer, n), _Seen({}, {}, {}))
            _keep(kept, role, one, opened, layer, n, grid, made, follows.get((layer, n)))
    return _pictured(folder, seen, means, opened, follows)


def _wanted(of_neurons: Mapping[str, np.ndarray]) -> dict[int, list[tuple[str, int, int]]]:
    """Clip -> the (layer, neuron, role) that show it."""
    wanted: dict[int, list[tuple[str, int, int]]] = {}
    for layer, clips_nr in of_neurons.items():
        for (n, role), clip in np.ndenumerate(clips_nr):
            wanted.setdefault(int(clip), []).append((layer, n, role))
    return wanted


def _follows(best: Best, summary: Summary) -> dict[tuple[str, int], tuple[str, int]]:
    """(layer, neuron) -> the (feature, row) that it follows; without neurons that follow none."""
    columns = zip(best.layer, best.neuron, best.feature, best.row, strict=True)
    return {
        (summary.layers[code], int(n)): (feature, int(row)) for code, n, feature, row in columns if feature
    }


def _keep(
    kept: _Seen,
    role: int,
    one: Heard,
    opened: Opened,
    layer: str,
    n: int,
    grid: np.ndarray,
    made: Mapping[str, Feature],
    follows: tuple[str, int] | None,
) -> None:
    """Keeps a neuron's map and both curves on one clip."""
    output = one.layers[layer]
    if output.ndim != 3:
        return
    [described] = [one_layer for one_layer in opened.layers if one_layer.name == layer]
    kept.maps[role] = thinned(output[:, :, n])
    centres = np.asarray(activity.times_s(described, opened.network))
    kept.curves[role] = np.interp(grid, centres, output[:, :, n].mean(axis=0), left=np.nan, right=np.nan)
    kept.feature[role] = np.full(len(grid), np.nan)
    if follows is not None and follows[0] in made and follows[1] >= 0:
        kept.feature[role] = curve(one, made[follows[0]], follows[1], grid)


def curve(one: Heard, feature: Feature, row: int, grid_s: np.ndarray) -> np.ndarray:
    """[points] a feature's row at given times; NaN beyond its frames and where it is undefined."""
    values, valid = one.features[feature.name]
    if feature.hop_samples is None or values.shape[1] < 2:
        return np.full(len(grid_s), np.nan)
    times = feature.first_frame_s + np.arange(values.shape[1]) * feature.hop_samples / feature.sample_rate_hz
    ok = valid & np.isfinite(values[row])
    if ok.sum() < 2:
        return np.full(len(grid_s), np.nan)
    found = np.interp(grid_s, times[ok], values[row][ok], left=np.nan, right=np.nan)
    nearest = np.clip(np.searchsorted(times, grid_s), 0, len(times) - 1)
    return np.where(ok[nearest], found, np.nan)


def thinned(map_ft: np.ndarray) -> np.ndarray:
    """A map of at most MOST_CELLS, each cell the largest of those that it stands for."""
    for axis, most in enumerate(MOST_CELLS):
        step = -(-map_ft.shape[axis] // most)
        if step > 1:
            short = -map_ft.shape[axis] % step
            widths = [(0, short if a == axis else 0) for a in (0, 1)]
            padded = np.pad(map_ft, widths, constant_values=-np.inf)
            shape = list(padded.shape)
            shape[axis : axis + 1] = [shape[axis] // step, step]
            map_ft = padded.reshape(shape).max(axis=axis + 1)
    return map_ft


def _grid(network: networks.Network) -> np.ndarray:
    """[points] the times of a curve, the middles of equal shares of a clip."""
    front = network.frontend
    seconds = network.image_shape_ft[1] * front.hop_samples / front.sample_rate_hz
    return (np.arange(POINTS) + 0.5) * seconds / POINTS


def _mean_of(one: Heard, feature: str, row: int) -> float:
    if row < 0 or feature not in one.features:
        return float("nan")
    values, valid = one.features[feature]
    ok = valid & np.isfinite(values[row])
    return float(values[row][ok].mean()) if ok.any() else float("nan")


def _pictured(
    folder: Path,
    seen: Mapping[tuple[str, int], _Seen],
    means: Mapping[tuple[str, int], Mapping[int, float]],
    opened: Opened,
    follows: Mapping[tuple[str, int], tuple[str, int]],
) -> Pictured:
    """Writes the maps, one picture a neuron, and codes the curves; names the scattered feature of others."""
    number = {layer.name: i for i, layer in enumerate(opened.layers)}
    clips = 1 + max((max(of_row) for of_row in means.values()), default=0)
    neurons: dict[tuple[str, int], dict[str, Any]] = {}
    used: dict[str, np.ndarray] = {}
    for (layer, n), kept in seen.items():
        line: dict[str, Any] = {}
        if kept.maps:
            name = f"maps/{number[layer]}-{n}.png"
            media.write_stack(folder / name, [kept.maps[role] for role in sorted(kept.maps)])
            line = {"map": name, "curves": _coded_curves(kept)}
        elif (layer, n) in follows:
            key = "{} {}".format(*follows[layer, n])
            of_row = means[follows[layer, n]]
            used[key] = np.asarray([of_row.get(b, np.nan) for b in range(clips)])
            line = {"feature_means": key}
        neurons[layer, n] = line
    return Pictured(neurons, used)


def _coded_curves(kept: _Seen) -> dict[str, Any]:
    out: dict[str, Any] = {"points": POINTS}
    for name, of_role in (("activation", kept.curves), ("feature", kept.feature)):
        together = np.stack([of_role[role] for role in sorted(of_role)])
        ends = together[np.isfinite(together)]
        low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 1.0)
        text = as_text(levels(together, low, high))
        out[name] = {"bytes": text, "low": rounded(low), "high": rounded(high)}
    return out
