"""What plants are made of: real features of rendered clips on a layer's grid."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.extraction.compute import compute
from actjax.types import Feature

# Clips whose features are computed at a time.
_BATCH = 16


class Clips(NamedTuple):
    """Rendered clips.

    Attributes:
      wave_bs: [b, s] float32.
      label_b: [b] int, the instrument class.
      ids: how `gm_instruments` names them.
    """

    wave_bs: np.ndarray
    label_b: np.ndarray
    ids: tuple[str, ...]


class Material(NamedTuple):
    """Features of clips, averaged over `pool` frames at a time.

    Attributes:
      rows_bkt: [b, k, t] feature rows.
      row_names: [k].
      images_bjft: [b, j, f, t] matrix features, all with f rows.
      image_names: [j].
      bands_bft: [b, f, t] log-mel bands, the input of untrained units.
      label_b: [b].
    """

    rows_bkt: np.ndarray
    row_names: tuple[str, ...]
    images_bjft: np.ndarray
    image_names: tuple[str, ...]
    bands_bft: np.ndarray
    label_b: np.ndarray


def render(seed: int, indices: Sequence[int], definition: Mapping[str, Any], **options: Any) -> Clips:
    """The clips of `gm_instruments` with these indices; options are those of its `clip`."""
    from actjax.datasets import gm_instruments

    clips = [gm_instruments.clip(int(i), seed=seed, **definition["clips"], **options) for i in indices]
    ids = tuple(f"gm-{seed}-{int(i):06d}" for i in indices)
    labels_b = np.asarray([clip.score.label for clip in clips])
    return Clips(np.stack([clip.audio for clip in clips]), labels_b, ids)


def measure(clips: Clips, definition: Mapping[str, Any]) -> Material:
    """All features of the definition on its grid."""
    values = raw_features(clips.wave_bs, definition)
    pool, size = definition["grid"]["frames"], definition["grid"]["bands"]
    rows, row_names = [], []
    for name in definition["rows"]:
        for r in range(values[name].shape[1]):
            rows.append(_pooled(values[name][:, r], pool))
            row_names.append(f"{name}[{r}]" if values[name].shape[1] > 1 else name)
    images = [_image(_pooled(values[name], pool), size) for name in definition["images"]]
    bands_bft = _image(_pooled(values["log_mel"], pool), size)
    rise = np.maximum(np.diff(bands_bft, axis=-1, prepend=bands_bft[..., :1]), 0)
    names = (*definition["images"], "spectral_rise")
    return Material(
        np.stack(rows, 1), tuple(row_names), np.stack([*images, rise], 1), names, bands_bft, clips.label_b
    )


def bands(clips: Clips, definition: Mapping[str, Any]) -> np.ndarray:
    """[b, f, t] log-mel bands on the definition's grid."""
    only = {"clips": definition["clips"], "rows": {}, "images": {"log_mel": definition["images"]["log_mel"]}}
    values = raw_features(clips.wave_bs, only)["log_mel"]
    return _image(_pooled(values, definition["grid"]["frames"]), definition["grid"]["bands"])


def raw_features(wave_bs: np.ndarray, definition: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{name: [b, rows, frames]}; invalid frames hold their clip's mean."""
    features = _features(_specs(definition), definition["clips"]["sample_rate_hz"])
    batches = []
    for start in range(0, len(wave_bs), _BATCH):
        some_bs = wave_bs[start : start + _BATCH]
        padding_bs = np.zeros((_BATCH - len(some_bs), some_bs.shape[1]), some_bs.dtype)
        out = jax.device_get(_compute(features, jnp.asarray(np.concatenate([some_bs, padding_bs]))))
        batches.append({name: _filled(*pair)[: len(some_bs)] for name, pair in out.items()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _specs(definition: Mapping[str, Any]) -> str:
    specs = dict(definition["rows"]) | dict(definition["images"])
    return ",".join(specs.values())


@functools.cache
def _features(specs: str, sample_rate_hz: int) -> tuple[Feature, ...]:
    return tuple(
        lookup.load("feature", name, sample_rate_hz=sample_rate_hz, **options)
        for name, options in lookup.parse_specs(specs)
    )


@functools.partial(jax.jit, static_argnums=0)
def _compute(features: tuple[Feature, ...], wave_bs: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
    return compute(features, wave_bs)


def _filled(values_bkt: np.ndarray, valid_bt: np.ndarray) -> np.ndarray:
    weight = valid_bt[:, None, :].astype(np.float32)
    mean = (values_bkt * weight).sum(-1, keepdims=True) / np.maximum(weight.sum(-1, keepdims=True), 1)
    return np.where(valid_bt[:, None, :], values_bkt, mean).astype(np.float32)


def _pooled(values: np.ndarray, pool: int) -> np.ndarray:
    """Averages over `pool` frames at a time; a remainder is left out."""
    frames = values.shape[-1] // pool
    return values[..., : frames * pool].reshape(*values.shape[:-1], frames, pool).mean(-1)


def _image(values_bkt: np.ndarray, size: int) -> np.ndarray:
    """[b, size, t]: neighbouring rows averaged, or all rows repeated one below the other.

    Repeating changes neither the order of inner products of frames nor of their distances.
    """
    rows = values_bkt.shape[1]
    if rows >= size:
        return values_bkt[:, : rows // size * size].reshape(len(values_bkt), size, rows // size, -1).mean(2)
    # Whole repetitions, so that all rows weigh the same; a first row that does not fit in is left out.
    rows = max(r for r in range(1, rows + 1) if size % r == 0)
    return np.tile(values_bkt[:, -rows:], (1, size // rows, 1))
