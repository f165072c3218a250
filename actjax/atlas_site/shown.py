"""Writes what is seen and heard of clips: sounds, spectrograms, maps, curves beside the features."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.atlas_site import activity, media
from actjax.atlas_site.activity import Heard, Listened
from actjax.atlas_site.coded import as_text, levels, rounded
from actjax.atlas_site.described import Beside
from actjax.report.neurons import Best
from actjax.report.summary import Summary
from actjax.types import Feature

# Points of a curve over a clip.
POINTS = 96
# Cells of a map that is shown, at most; larger ones are thinned.
MOST_CELLS = (48, 128)


class Pictured(NamedTuple):
    """What the pages of neurons show of clips.

    Attributes:
      neurons: (layer, neuron) -> "map", a picture's path, "curves", "feature_means", a key of the next.
      feature_means: a feature's row -> [clips] its mean on each clip that has a sound, else NaN.
    """

    neurons: dict[tuple[str, int], dict[str, Any]]
    feature_means: dict[str, np.ndarray]


class Wanted(NamedTuple):
    """What is to be shown of which neurons.

    Attributes:
      listened: the network, or what stands for it.
      clips: layer -> [n, roles] the clips of each neuron.
      follows: (layer, neuron) -> the (feature, row) that is drawn as a curve.
      beside: (layer, neuron) -> the matrix feature that is shown beside its strongest map.
      features: name -> those of them that were made.
      summary: numbers the features.
    """

    listened: Listened
    clips: Mapping[str, np.ndarray]
    follows: Mapping[tuple[str, int], tuple[str, int]]
    beside: Mapping[tuple[str, int], Beside]
    features: Mapping[str, Feature]
    summary: Summary

    def of_clips(self) -> dict[int, list[tuple[str, int, int]]]:
        """Clip -> the (layer, neuron, role) that show it."""
        out: dict[int, list[tuple[str, int, int]]] = {}
        for layer, clips_nr in self.clips.items():
            for (n, role), clip in np.ndenumerate(clips_nr):
                out.setdefault(int(clip), []).append((layer, n, role))
        return out


class _Seen(NamedTuple):
    """What is kept of one neuron on the clips that are shown of it, by role; a matrix on the first."""

    maps: dict[int, np.ndarray]
    curves: dict[int, np.ndarray]
    feature: dict[int, np.ndarray]
    matrix: dict[str, Any]


def wanted(
    listened: Listened,
    clips: Mapping[str, np.ndarray],
    best: Best,
    summary: Summary,
    features: Sequence[Feature],
    beside: Mapping[tuple[str, int], Beside],
) -> Wanted:
    """Lists what is to be shown: the curve of what each neuron follows, the matrix that it resembles."""
    columns = zip(best.layer, best.neuron, best.feature, best.row, strict=True)
    follows = {(summary.layers[code], int(n)): (name, int(row)) for code, n, name, row in columns if name}
    return Wanted(listened, clips, follows, beside, {f.name: f for f in features}, summary)


def write_clips(folder: Path, heard: Iterable[Heard], asked: Wanted) -> Pictured:
    """Writes clips/<i>.ogg and .png, maps/<layer>-<neuron>.png, and keeps the curves.

    Args:
      folder: the atlas's.
      heard: the clips that have sounds, one after the other.
      asked: what is shown of which neurons.
    """
    rate, of_clips = asked.listened.front.sample_rate_hz, asked.of_clips()
    seen: dict[tuple[str, int], _Seen] = {}
    means: dict[tuple[str, int], dict[int, float]] = {}
    with media.Writers() as writers:
        for one in heard:
            writers.start(media.write_sound, folder / "clips" / f"{one.clip}.ogg", one.wave_s, rate)
            writers.start(media.write_image, folder / "clips" / f"{one.clip}.png", one.image_ft)
            for key in set(asked.follows.values()):
                means.setdefault(key, {})[one.clip] = _mean_of(one, *key)
            for layer, n, role in of_clips.get(one.clip, ()):
                shown = seen.setdefault((layer, n), _Seen({}, {}, {}, {}))
                _keep(shown, one, asked, layer, n, role)
    return _pictured(folder, seen, means, asked)


def _keep(shown: _Seen, one: Heard, asked: Wanted, layer: str, n: int, role: int) -> None:
    """Keeps a neuron's map and both curves on one clip, and on its strongest the matrix that it resembles."""
    output = one.layers[layer]
    if output.ndim != 3:
        return
    grid = _grid(asked.listened.seconds)
    [described] = [one_layer for one_layer in asked.listened.layers if one_layer.name == layer]
    shown.maps[role] = thinned(output[:, :, n])
    centres = np.asarray(activity.times_s(described, asked.listened.front))
    shown.curves[role] = np.interp(grid, centres, output[:, :, n].mean(axis=0), left=np.nan, right=np.nan)
    shown.feature[role] = np.full(len(grid), np.nan)
    feature, row = asked.follows.get((layer, n), ("", -1))
    if feature in asked.features and row >= 0:
        shown.feature[role] = curve(one, asked.features[feature], row, grid)
    matrix = asked.beside.get((layer, n))
    if role == 0 and matrix is not None and matrix.feature in asked.features:
        shown.matrix.update(_matrix(one, asked.features[matrix.feature]))


def _matrix(one: Heard, feature: Feature) -> dict[str, Any]:
    """A feature of several rows on one clip, and the span of the clip that its frames cover, in seconds."""
    values, valid = one.features[feature.name]
    defined = valid[None, :] & np.isfinite(values)
    if feature.hop_samples is None or len(values) < 2 or not defined.any():
        return {}
    hop_s = feature.hop_samples / feature.sample_rate_hz
    first = feature.first_frame_s - hop_s / 2
    filled = np.where(defined, values, values[defined].min())
    return {"image": thinned(filled), "span": (first, first + hop_s * values.shape[1])}


def curve(one: Heard, feature: Feature, row: int, grid_s: np.ndarray) -> np.ndarray:
    """[points] a feature's row at given times; NaN beyond its frames and where it is undefined."""
    values, valid = one.features[feature.name]
    if feature.hop_samples is None or values.shape[1] < 2:
        return np.full(len(grid_s), np.nan)
    times = feature.first_frame_s + np.arange(values.shape[1]) * feature.hop_samples / feature.sample_rate_hz
    ok = valid & np.isfinite(values[row])
    if ok.sum() < 2:
        return np.full(len(grid_s), np.nan)
    at_grid = np.interp(grid_s, times[ok], values[row][ok], left=np.nan, right=np.nan)
    nearest = np.clip(np.searchsorted(times, grid_s), 0, len(times) - 1)
    return np.where(ok[nearest], at_grid, np.nan)


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


def _grid(seconds: float) -> np.ndarray:
    """[points] the times of a curve, the middles of equal shares of a clip."""
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
    asked: Wanted,
) -> Pictured:
    """Writes the maps, one picture a neuron, and codes the curves; names the scattered feature of others."""
    number = {layer.name: i for i, layer in enumerate(asked.listened.layers)}
    clips = 1 + max((max(of_row) for of_row in means.values()), default=0)
    neurons: dict[tuple[str, int], dict[str, Any]] = {}
    used: dict[str, np.ndarray] = {}
    for (layer, n), shown in seen.items():
        line: dict[str, Any] = {}
        if shown.maps:
            name = f"maps/{number[layer]}-{n}.png"
            media.write_stack(folder / name, [shown.maps[role] for role in sorted(shown.maps)])
            line = {"map": name, "curves": _coded_curves(shown)}
            if shown.matrix:
                line["beside"] = _written_matrix(folder, name, shown.matrix, asked.beside[layer, n], asked)
        if (layer, n) in asked.follows:
            key = "{} {}".format(*asked.follows[layer, n])
            of_row = means[asked.follows[layer, n]]
            used[key] = np.asarray([of_row.get(b, np.nan) for b in range(clips)])
            line["feature_means"] = key
        neurons[layer, n] = line
    return Pictured(neurons, used)


def _written_matrix(
    folder: Path, name: str, matrix: Mapping[str, Any], beside: Beside, asked: Wanted
) -> dict[str, Any]:
    """Writes the picture of a matrix feature, and says what it is."""
    picture = name.replace(".png", "-feature.png")
    media.write_image(folder / picture, matrix["image"])
    seconds = asked.listened.seconds
    return {
        "picture": picture,
        "feature": asked.summary.features.index(beside.feature),
        "score": rounded(beside.score),
        "set": beside.set,
        "span": [rounded(end / seconds) for end in matrix["span"]],
    }


def _coded_curves(shown: _Seen) -> dict[str, Any]:
    out: dict[str, Any] = {"points": POINTS}
    for name, of_role in (("activation", shown.curves), ("feature", shown.feature)):
        together = np.stack([of_role[role] for role in sorted(of_role)])
        ends = together[np.isfinite(together)]
        low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 1.0)
        text = as_text(levels(together, low, high))
        out[name] = {"bytes": text, "low": rounded(low), "high": rounded(high)}
    return out
