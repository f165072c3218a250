"""Views: how activation maps and features become comparable observations.

A *cell* is a place on an axis with a centre, a spacing and an extent (the stretch of signal that it
sees). Both sides of a comparison are area-averaged onto the cells of the coarser one, by true time
in seconds and by true frequency in Hz; nothing is upsampled. Cells that see padding are left out.

Everything here about grids is NumPy on static shapes; what touches data is jnp and traceable.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from actjax.layer_axis import LayerAxis
from actjax.types import Feature, Frontend

# A grid average of a feature counts as valid when at least this share of its area is valid.
MIN_VALID_AREA = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Cells along one axis, in seconds or Hz.

    Attributes:
      edges: [n, 2] the stretch that each cell stands for; neighbouring cells share an edge.
      reach: [n, 2] what each cell sees (receptive field and analysis window).
      usable: [n] bool, False where the cell sees padding.
    """

    edges: np.ndarray
    reach: np.ndarray
    usable: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """[n] the middle of each cell."""
        return self.edges.mean(axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The common cells of a layer and a feature along one axis.

    Attributes:
      of_layer: [g, cells of the layer] averaging weights, rows sum to 1.
      of_feature: [g, cells of the feature] likewise.
      edges: [g, 2] in seconds or Hz.
      ends: [g] where the furthest signal seen by either side ends (time only).
    """

    of_layer: np.ndarray
    of_feature: np.ndarray
    edges: np.ndarray
    ends: np.ndarray

    @property
    def size(self) -> int:
        """Counts the common cells."""
        return len(self.edges)


def layer_time(axis: LayerAxis, frontend: Frontend, clip_s: float) -> Cells:
    """Places a layer's cells in seconds; input frame i is centred at i * hop and n_fft samples wide."""
    hop_s = frontend.hop_samples / frontend.sample_rate_hz
    seen_s = ((axis.field - 1) * frontend.hop_samples + frontend.n_fft) / frontend.sample_rate_hz
    return _regular_cells(axis.centres() * hop_s, axis.step * hop_s, seen_s, clip_s)


def feature_time(feature: Feature, frames: int, clip_s: float) -> Cells:
    """Places a feature's frames in seconds; one value a clip has no place in time and is always usable."""
    if feature.hop_samples is None:
        return Cells(np.zeros((frames, 2)), np.zeros((frames, 2)), np.ones(frames, bool))
    hop_s = feature.hop_samples / feature.sample_rate_hz
    centres = feature.first_frame_s + hop_s * np.arange(frames)
    return _regular_cells(centres, hop_s, feature.window_samples / feature.sample_rate_hz, clip_s)


def layer_frequency(axis: LayerAxis, band_centres_hz: np.ndarray) -> Cells:
    """Places a layer's cells in Hz, given the centres of the input's bands.

    Bands that see padding are not usable, unless all of them do (deep layers, tall kernels): the edges
    of the spectrum are then part of what every neuron of the layer is, and all bands are used.
    """
    centres = axis.centres()
    at = _band_to_hz(band_centres_hz)
    half = (axis.field - 1) / 2
    edges = np.stack([at(centres - axis.step / 2), at(centres + axis.step / 2)], axis=1)
    reach = np.stack([at(centres - half - 0.5), at(centres + half + 0.5)], axis=1)
    inside = axis.inside()
    return Cells(edges=edges, reach=reach, usable=inside if inside.any() else np.ones(axis.size, bool))


def feature_frequency(feature: Feature) -> Cells:
    """Places a feature's rows in Hz; edges lie midway between the rows' centres."""
    at = _band_to_hz(np.asarray(feature.centres_hz, np.float64))
    index = np.arange(feature.rows)
    edges = np.stack([at(index - 0.5), at(index + 0.5)], axis=1)
    return Cells(edges=edges, reach=edges, usable=np.ones(feature.rows, bool))


def common_grid(layer: Cells, feature: Cells) -> Grid:
    """Area-averages both sides onto the coarser one's cells.

    A cell of the coarser side is kept if it is usable and if usable cells of the finer side cover
    all of it (to within 1 % of its width).
    """
    layer_is_coarser = _mean_width(layer) >= _mean_width(feature) * (1 - 1e-9)
    coarse, fine = (layer, feature) if layer_is_coarser else (feature, layer)
    overlap = np.minimum(coarse.edges[:, None, 1], fine.edges[None, :, 1])
    overlap = overlap - np.maximum(coarse.edges[:, None, 0], fine.edges[None, :, 0])
    overlap = np.clip(overlap, 0.0, None) * fine.usable[None, :]
    width = np.diff(coarse.edges, axis=1)[:, 0]
    keep = coarse.usable & (overlap.sum(axis=1) >= 0.99 * width)
    weights = overlap[keep] / overlap[keep].sum(axis=1, keepdims=True)
    chosen = np.eye(len(width))[keep]
    furthest = np.where(weights > 0, fine.reach[None, :, 1], -np.inf).max(axis=1, initial=-np.inf)
    of_layer, of_feature = (chosen, weights) if layer_is_coarser else (weights, chosen)
    return Grid(
        of_layer=of_layer.astype(np.float32),
        of_feature=of_feature.astype(np.float32),
        edges=coarse.edges[keep],
        ends=np.maximum(furthest, coarse.reach[keep, 1]),
    )


def seed_grid(layer_cells: int, feature_cells: int, clip_s: float = 0.0) -> Grid:
    """Plain resizing, ends to ends, of the longer axis to the shorter one's length.

    One reading of the paper (`score.grid="seed"`): it ignores true time, so a layer that saw
    padding is stretched over it. In time, each cell stands for its share of the clip's clip_s seconds, so
    that those behind the end of a short recording are left out.
    """
    size = min(layer_cells, feature_cells)

    def resize(cells: int) -> np.ndarray:
        return np.asarray(
            jax.image.resize(np.eye(cells, dtype=np.float32), (size, cells), "linear", antialias=True)
        )

    edges = np.stack([np.arange(size), np.arange(size) + 1.0], axis=1)
    return Grid(resize(layer_cells), resize(feature_cells), edges, edges[:, 1] * (clip_s / size))


def ends_within(ends_t: np.ndarray, length_s_b: jax.Array) -> jax.Array:
    """[b, t] bool: what ends at `ends_t` seconds lies within the signal of each clip."""
    return jnp.asarray(ends_t, jnp.float32)[None, :] <= length_s_b[:, None] + 1e-6


def within(cells: Cells, length_s_b: jax.Array) -> jax.Array:
    """[b, t] bool: the usable cells that see nothing but the signal of each clip."""
    return jnp.asarray(cells.usable)[None, :] & ends_within(cells.reach[:, 1], length_s_b)


def average(weights_gt: jax.Array | np.ndarray, values_t: jax.Array, axis: int) -> jax.Array:
    """Applies averaging weights [g, t] to `axis` of the values; the axis then has length g."""
    out = jnp.tensordot(
        values_t, weights_gt.astype(values_t.dtype), axes=(axis, 1), precision=jax.lax.Precision.HIGHEST
    )
    return jnp.moveaxis(out, -1, axis)


def average_valid(
    weights_gt: jax.Array | np.ndarray, values_bkt: jax.Array, valid_bt: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Averages the valid frames only.

    Returns:
      ([b, k, g] averages, [b, g] bool), False where less than half of a cell's area is valid.
    """
    valid = valid_bt.astype(values_bkt.dtype)
    area = average(weights_gt, valid, axis=1)
    total = average(weights_gt, values_bkt * valid[:, None, :], axis=2)
    return total / jnp.where(area > 0, area, 1.0)[:, None, :], area >= MIN_VALID_AREA - 1e-6


def pool_frequency(maps_bftc: jax.Array, bands: np.ndarray) -> jax.Array:
    """[b, f, t, c] -> [b, t, c], the mean over some frequency cells, by their places."""
    weights_f = np.zeros(maps_bftc.shape[1])
    weights_f[bands] = 1 / max(len(bands), 1)
    weights = jnp.asarray(weights_f, maps_bftc.dtype)
    return jnp.einsum("bftc,f->btc", maps_bftc, weights, precision=jax.lax.Precision.HIGHEST)


def _regular_cells(centres_s: np.ndarray, step_s: float, seen_s: float, clip_s: float) -> Cells:
    """Cells at equal distances; usable are those that see nothing beyond the clip."""
    edges = np.stack([centres_s - step_s / 2, centres_s + step_s / 2], axis=1)
    reach = np.stack([centres_s - seen_s / 2, centres_s + seen_s / 2], axis=1)
    tolerance = 1e-6
    usable = (reach[:, 0] >= -tolerance) & (reach[:, 1] <= clip_s + tolerance)
    return Cells(edges=edges, reach=reach, usable=usable)


def _mean_width(cells: Cells) -> float:
    return float(np.diff(cells.edges, axis=1).mean())


def _band_to_hz(centres_hz: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Maps a fractional band index to Hz, linear between centres and beyond the ends."""
    index = np.arange(len(centres_hz))
    if len(centres_hz) == 1:
        return lambda band: np.where(band < 0, 0.0, np.where(band > 0, 2.0, 1.0)) * centres_hz[0]

    def at(band: np.ndarray) -> np.ndarray:
        inner = np.interp(band, index, centres_hz)
        low = centres_hz[0] + np.minimum(band, 0) * (centres_hz[1] - centres_hz[0])
        high = centres_hz[-1] + np.maximum(band - index[-1], 0) * (centres_hz[-1] - centres_hz[-2])
        return np.where(band < 0, low, np.where(band > index[-1], high, inner))

    return at
