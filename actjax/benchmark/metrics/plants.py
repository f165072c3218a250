"""plants-v1: neurons whose feature is known, and neurons that follow none.

A plant is a real feature, distorted as networks do, plus noise of the same spectrum. The definition below is
frozen: a change of it is a new version, with a new name.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.metrics.rendered import Material

_MEL = "n_mels=96,n_fft=2048,hop_samples=256"
DEFINITION: Mapping[str, Any] = {
    "name": "plants-v1",
    "clips": {"clip_seconds": 3.0, "sample_rate_hz": 12000},
    "calibration_seed": 424242,  # of the clips that the clusters of features are found on
    "calibration_clips": 48,
    "cluster_at": 0.9,  # |spearman| within clips
    "grid": {"frames": 4, "bands": 24},
    "rows": {
        "chroma_stft": "chroma_stft(n_fft=2048,hop_samples=256)",
        "mfcc": "mfcc(n_mfcc=13,n_fft=2048,hop_samples=256)",
        "spectral_contrast": "spectral_contrast(n_fft=2048,hop_samples=256)",
        "rms": "rms(hop_samples=256)",
        "spectral_centroid": "spectral_centroid(n_fft=2048,hop_samples=256)",
        "spectral_bandwidth": "spectral_bandwidth(n_fft=2048,hop_samples=256)",
        "spectral_flatness": "spectral_flatness(n_fft=2048,hop_samples=256)",
        "spectral_rolloff": "spectral_rolloff(n_fft=2048,hop_samples=256)",
        "zero_crossing_rate": "zero_crossing_rate(hop_samples=256)",
        "onset_strength": "onset_strength(n_fft=2048,hop_samples=256)",
    },
    "images": {
        "log_mel": f"log_mel({_MEL})",
        "harmonic": f"harmonic({_MEL},scale='db')",
        "percussive": f"percussive({_MEL},scale='db')",
        "chroma_stft": "chroma_stft(n_fft=2048,hop_samples=256)",
        "mfcc": "mfcc(n_mfcc=13,n_fft=2048,hop_samples=256)",
        "spectral_contrast": "spectral_contrast(n_fft=2048,hop_samples=256)",
    },
    "loudness": "rms",
    "onset": "onset_strength",
    "binary_share": 0.1,  # of the frames of each clip are on, in the binary track
    "snr_db": [-20, -10, 0, 10, 20, 30],
    "distorted_snr_db": [0, 10, 30],
    "distortions": {
        "warp": {"rate": 1.5},  # exp(rate z)
        "flip": {},
        "lag": {"frames": 2},
        "frequency shift": {"bands": 2},  # images
        "pooling": {"cells": 5},
        "rectified": {"above": 0.5},  # z
        "sparse": {"share": 0.1},  # 1 at the largest, else 0
        "mixture": {"share": 0.7},  # of a feature of another cluster, against 1
        "gain drift": {"from": 0.2, "to": 1.8},  # along a clip
    },
    "negatives": ["class", "loudness", "input band", "onset envelope", "untrained"],
    "negative_snr_db": 10,
}


class Plants(NamedTuple):
    """Neurons with their truth.

    Attributes:
      x_nbft: [n, b, f, t] activations; f is 1 for neurons that are series.
      source_n: [n] the feature row (or image) that was planted, -1 for a negative.
      kind_n: [n] "none" (undistorted), a distortion, or a negative's name.
      snr_n: [n] dB; NaN for negatives.
      barred_nc: [n, clusters] bool, clusters that do share a source with a negative: not held against a
        metric that names them.
    """

    x_nbft: np.ndarray
    source_n: np.ndarray
    kind_n: np.ndarray
    snr_n: np.ndarray
    barred_nc: np.ndarray


def definition_hash(definition: Mapping[str, Any] = DEFINITION) -> str:
    """The SHA-256 of a definition."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def clusters(y_bkft: np.ndarray, at: float) -> np.ndarray:
    """[k] a cluster's number for each feature: those linked by |spearman| > `at` within clips."""
    centred = y_bkft - y_bkft.mean((2, 3), keepdims=True)
    flat = centred.transpose(1, 0, 2, 3).reshape(y_bkft.shape[1], -1)
    rank = flat.argsort(-1).argsort(-1).astype(np.float64)
    near = np.abs(np.corrcoef(rank)) > at
    smallest_k = np.arange(len(near))
    for _ in range(len(near)):
        smallest_k = np.where(near, smallest_k[None, :], len(near)).min(1)
    return np.unique(smallest_k, return_inverse=True)[1]


def plant(
    rng: np.random.Generator,
    y_bkft: np.ndarray,
    cluster_k: np.ndarray,
    each: int,
    distorted: int,
    skip: Sequence[str] = (),
) -> Plants:
    """Plants of random features: `each` at every SNR undistorted, `distorted` at its SNRs otherwise."""
    kinds = [("none", snr) for snr in DEFINITION["snr_db"] for _ in range(each)]
    for kind in DEFINITION["distortions"]:
        if kind not in skip:
            kinds += [(kind, snr) for snr in DEFINITION["distorted_snr_db"] for _ in range(distorted)]
    # Every cluster is a source equally often, whatever its size.
    members = [np.flatnonzero(cluster_k == c) for c in range(cluster_k.max() + 1)]
    order = np.concatenate([rng.permutation(len(members)) for _ in range(len(kinds) // len(members) + 1)])
    source = np.asarray([rng.choice(members[c]) for c in order[: len(kinds)]])
    x = np.empty((len(kinds), len(y_bkft), *y_bkft.shape[2:]), np.float32)
    for i, (kind, snr) in enumerate(kinds):
        other = rng.choice(np.flatnonzero(cluster_k != cluster_k[source[i]]))
        x[i] = of_one_deviation(noisy(rng, distort(kind, y_bkft[:, source[i]], y_bkft[:, other]), snr))
    return Plants(
        x,
        source,
        np.asarray([kind for kind, _ in kinds]),
        np.asarray([float(snr) for _, snr in kinds]),
        np.zeros((len(kinds), len(members)), bool),
    )


def distort(kind: str, y_bft: np.ndarray, other_bft: np.ndarray) -> np.ndarray:
    """[b, f, t] a standardised feature under one distortion of the definition."""
    z, p = standardise(y_bft), DEFINITION["distortions"].get(kind, {})
    if kind == "warp":
        return np.exp(p["rate"] * np.clip(z, -4, 4))
    if kind == "flip":
        return -z
    if kind == "lag":
        return _moved(z, p["frames"], -1)
    if kind == "frequency shift":
        return _moved(z, p["bands"], -2)
    if kind == "pooling":
        return _smooth(_smooth(z, p["cells"], -1), p["cells"] if z.shape[1] > 1 else 1, -2)
    if kind == "rectified":
        return np.maximum(z - p["above"], 0)
    if kind == "sparse":
        return (z > np.quantile(z, 1 - p["share"])).astype(np.float32)
    if kind == "mixture":
        return z + p["share"] * standardise(other_bft)
    if kind == "gain drift":
        return z * np.linspace(p["from"], p["to"], z.shape[-1], dtype=np.float32)
    return z


def noisy(rng: np.random.Generator, signal_bft: np.ndarray, snr_db: float) -> np.ndarray:
    """Adds noise with the magnitudes of each clip's own spectrum and random phases.

    The SNR is a ratio of variances within clips.
    """
    z = standardise(signal_bft)
    within = z - z.mean((1, 2), keepdims=True)
    phases = np.fft.rfft2(rng.normal(size=z.shape))
    phases /= np.maximum(np.abs(phases), 1e-12)
    noise = np.fft.irfft2(np.abs(np.fft.rfft2(within)) * phases, s=z.shape[1:])
    scale = np.sqrt(np.mean(within**2) / max(np.mean(noise**2), 1e-12) / 10 ** (snr_db / 10))
    return (z + scale * noise).astype(np.float32)


def of_one_deviation(x_bft: np.ndarray) -> np.ndarray:
    """Whatever the noise: by their size, a metric that carries the neuron's unit would know plants."""
    return (x_bft / max(x_bft.std(), 1e-12)).astype(np.float32)


def negatives(
    rng: np.random.Generator,
    material: Material,
    cluster_k: np.ndarray,
    shared: Mapping[str, list[int]],
    each: int,
    as_images: bool,
) -> Plants:
    """Neurons that follow the class, the loudness, one input band, an envelope, or nothing at all.

    Args:
      rng: of all draws.
      material: of the clips.
      cluster_k: clusters of the features that will be compared.
      shared: "loudness" and "onset" -> features that hold them.
      each: of every kind.
      as_images: [f, t] instead of series.
    """
    loud, onset = (
        material.rows_bkt[:, material.row_names.index(DEFINITION[k])] for k in ("loudness", "onset")
    )
    neurons, kinds = [], []
    for kind in DEFINITION["negatives"]:
        for _ in range(each):
            x_bft = _negative(rng, kind, material, loud, onset, as_images)
            neurons.append(of_one_deviation(noisy(rng, x_bft, DEFINITION["negative_snr_db"])))
            kinds.append(kind)
    barred = np.zeros((len(kinds), cluster_k.max() + 1), bool)
    for i, kind in enumerate(kinds):
        keys = {"class": (), "onset envelope": ("loudness", "onset")}.get(kind, ("loudness",))
        barred[i, cluster_k[[k for key in keys for k in shared[key]]]] = True
    nothing = np.full(len(kinds), -1), np.asarray(kinds), np.full(len(kinds), np.nan)
    return Plants(np.stack(neurons), *nothing, barred)


def _negative(
    rng: np.random.Generator,
    kind: str,
    material: Material,
    loud_bt: np.ndarray,
    onset_bt: np.ndarray,
    as_images: bool,
) -> np.ndarray:
    b, f, t = material.bands_bft.shape
    f = f if as_images else 1
    walk = _smooth(rng.normal(size=(b, f, t)), 3, -1)
    if kind == "class":
        level = rng.normal(size=12)[material.label_b][:, None, None]
        curve = _smooth(rng.normal(size=(12, f, t)), 5, -1)[material.label_b]
        return 2 * level + curve + walk
    if kind == "loudness":
        return standardise(loud_bt[:, None, :]) * (0.5 + rng.random((f, 1)))
    if kind == "input band":
        band = material.bands_bft[:, [rng.integers(material.bands_bft.shape[1])]]
        return standardise(band) * (0.5 + rng.random((f, 1)))
    if kind == "onset envelope":
        return (
            walk * standardise(onset_bt)[:, None, :].clip(0, None) + 0.5 * standardise(onset_bt)[:, None, :]
        )
    return untrained(rng, material.bands_bft, as_images)


def untrained(rng: np.random.Generator, bands_bft: np.ndarray, as_images: bool) -> np.ndarray:
    """A rectified random 5 x 5 filter of a rectified random 5 x 5 filter of the input."""
    x = standardise(bands_bft)
    for _ in range(2):
        kernel = np.zeros(x.shape[1:])
        kernel[:5, :5] = rng.normal(size=(5, 5))
        x = np.fft.irfft2(np.fft.rfft2(x) * np.fft.rfft2(kernel), s=x.shape[1:])
        x = np.maximum(standardise(x), 0)
    return x if as_images else x.mean(1, keepdims=True)


def standardise(values: np.ndarray) -> np.ndarray:
    """Zero mean, unit deviation over all cells of all clips."""
    return (values - values.mean()) / max(values.std(), 1e-12)


def _moved(values: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Later (higher) by so many cells; the first cell is repeated."""
    index = np.maximum(np.arange(values.shape[axis]) - by, 0)
    return np.take(values, index, axis)


def _smooth(values: np.ndarray, cells: int, axis: int) -> np.ndarray:
    """Running means over so many cells, around the ends."""
    total = np.zeros_like(values)
    for shift in range(-(cells // 2), cells // 2 + 1):
        total = total + np.roll(values, shift, axis)
    return total / cells
