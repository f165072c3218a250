"""Measure whether neurons that score high on a feature respond when that feature alone is changed.

Clips are rendered at five doses of one intervention, everything else, noise and room included, the same.
A neuron's response is its slope on the dose; how much of the feature it takes, its slope on the measured
change of the feature. Scores come from other clips.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.benchmark.metrics import plants, rendered
from actjax.benchmark.metrics.rendered import Clips
from actjax.types import Frontend

if TYPE_CHECKING:
    from actjax.datasets.gm_instruments import Intervention


class Cause(NamedTuple):
    """One intervention.

    Attributes:
      field: of `gm_instruments.Intervention`.
      doses: its five values; the middle one changes nothing.
      target: the feature that it is meant to change.
    """

    field: str
    doses: tuple[float, ...]
    target: str


CAUSES = {
    "gain": Cause("gain_db", (-12.0, -6.0, 0.0, 6.0, 12.0), "rms"),
    "tempo": Cause("tempo_ratio", (0.5, 0.7071, 1.0, 1.4142, 2.0), "onset_rate"),
    "transposition": Cause("transpose_semitones", (-10, -5, 0, 5, 10), "f0_yin"),
    "percussion": Cause("percussion_db", (-20.0, -10.0, 0.0, 10.0, 20.0), "harmonic_ratio"),
    "brightness": Cause("brightness_db_per_octave", (-6.0, -3.0, 0.0, 3.0, 6.0), "spectral_centroid"),
}
TARGETS = {
    "rms": "rms(hop_samples=256)",
    "onset_rate": "onset_rate",
    "f0_yin": "f0_yin(hop_samples=256)",
    "harmonic_ratio": "harmonic_ratio(hop_samples=256)",
    "spectral_centroid": "spectral_centroid(n_fft=2048,hop_samples=256)",
}
_TARGET_DEFINITION = {"clips": plants.DEFINITION["clips"], "rows": TARGETS, "images": {}}

# A network, as the check sees it: clips -> [b, n] one value a clip and neuron.
Units = Callable[[Clips], np.ndarray]


class Doses(NamedTuple):
    """Clips under every intervention.

    Attributes:
      clips: {intervention: Clips of [clip x dose]}, doses of one clip beside each other.
      targets_k: {intervention: [clip, dose, target] measured features}.
    """

    clips: Mapping[str, Clips]
    targets: Mapping[str, np.ndarray]


class Responses(NamedTuple):
    """What one network does.

    Attributes:
      per_dose_vn: [v, n] slope of the standardised neuron on the dose (-1 to 1).
      per_change_vn: [v, n] slope on the standardised target feature's measured change.
      selective_vn: [v, n] |per_dose| less its mean over the other interventions.
    """

    per_dose_vn: np.ndarray
    per_change_vn: np.ndarray
    selective_vn: np.ndarray


def render(seed: int, count: int) -> Doses:
    """`count` clips under all interventions; for percussion such clips as have some."""
    clips, targets = {}, {}
    for name, cause in CAUSES.items():
        indices = clip_indices(seed, count, name == "percussion", plants.DEFINITION["clips"]["clip_seconds"])
        versions = [
            rendered.render(seed, indices, plants.DEFINITION, intervention=intervention)
            for intervention in (intervention(cause, dose) for dose in cause.doses)
        ]
        waves_bds = np.stack([version.wave_bs for version in versions], 1)
        wave_bs = waves_bds.reshape(-1, waves_bds.shape[-1])
        first = versions[0]
        clips[name] = Clips(wave_bs, np.repeat(first.label_b, len(cause.doses)), first.ids)
        targets[name] = target_features(clips[name]).reshape(count, 5, -1)
    return Doses(clips, targets)


def intervention(cause: Cause, dose: float) -> "Intervention":
    """What `gm_instruments` renders at a dose of a cause."""
    from actjax.datasets import gm_instruments

    options: dict[str, Any] = {cause.field: dose}
    return gm_instruments.Intervention(**options)


def target_features(clips: Clips) -> np.ndarray:
    """[b, target] clip means of the targets, in the order of CAUSES."""
    values = rendered.raw_features(clips.wave_bs, _TARGET_DEFINITION)
    return np.stack([values[cause.target][:, 0].mean(-1) for cause in CAUSES.values()], 1)


def respond(units: Units, doses: Doses, scored_bn: np.ndarray, targets_bk: np.ndarray) -> Responses:
    """A network's responses, in deviations between the clips that are scored.

    Args:
      units: the network.
      doses: from `render`.
      scored_bn: [b, n] its values on other clips.
      targets_bk: [b, target] the target features of those.
    """
    deviation_n = np.maximum(scored_bn.std(0), 1e-12)
    deviation_k = np.maximum(targets_bk.std(0), 1e-12)
    dose_d = np.linspace(-1, 1, 5)
    per_dose, per_change = [], []
    for v, name in enumerate(CAUSES):
        change = doses.targets[name][:, :, v]
        values = units(doses.clips[name]).reshape(*change.shape, -1) / deviation_n
        per_dose.append(slope(np.broadcast_to(dose_d, change.shape), values))
        per_change.append(slope(change / deviation_k[v], values))
    size = np.abs(np.stack(per_dose))
    others = (size.sum(0, keepdims=True) - size) / (len(size) - 1)
    return Responses(np.stack(per_dose), np.stack(per_change), size - others)


def dose_response(doses: Doses, targets_bk: np.ndarray) -> np.ndarray:
    """[intervention, feature] slope of each feature on the dose (-1 to 1), in deviations between clips."""
    deviation_k = np.maximum(targets_bk.std(0), 1e-12)
    dose_d = np.linspace(-1, 1, 5)
    return np.stack(
        [
            slope(np.broadcast_to(dose_d, doses.targets[v].shape[:2]), doses.targets[v] / deviation_k)
            for v in CAUSES
        ]
    )


def predicted(strength_nk: np.ndarray, effect_nk: np.ndarray) -> np.ndarray:
    """[target] rank correlation over neurons of a metric's scores and the sizes of the effects."""
    correlations = []
    for score_n, effect_n in zip(strength_nk.T, np.abs(effect_nk).T, strict=True):
        score_n = np.where(np.isfinite(score_n), score_n, -1e30)
        if np.ptp(score_n) == 0 or np.ptp(effect_n) == 0:
            correlations.append(0.0)
        else:
            correlations.append(np.corrcoef(_mid_ranks(score_n), _mid_ranks(effect_n))[0, 1])
    return np.asarray(correlations)


def module_units(module: nn.Module, variables: Mapping[str, Any], frontend: Frontend) -> Units:
    """All layers of any network that gives (logits, {layer: output}), each neuron's mean over a clip."""

    @jax.jit
    def pooled(wave_bs: jax.Array) -> jax.Array:
        image = jax.vmap(lambda wave: dsp.network_input(wave, frontend))(wave_bs)
        layers = _layers(module.apply(variables, image, train=False)).values()
        return jnp.concatenate([x.mean(tuple(range(1, x.ndim - 1))) for x in layers], axis=1)

    def units(clips: Clips) -> np.ndarray:
        return _batched(pooled, clips.wave_bs)

    return units


def example_networks(seed: int) -> dict[str, Units]:
    """Two networks without training: mixtures of the targets, whose effects are known, and random filters."""

    def planted(clips: Clips) -> np.ndarray:
        values = target_features(clips)
        # Fixed scales, so that doses move the units as they move the features.
        z = (values - _SCALES[0]) / _SCALES[1]
        mix = np.random.default_rng(seed).dirichlet(np.full(len(CAUSES), 0.35), 40)
        return z @ mix.T

    def untrained(clips: Clips) -> np.ndarray:
        bands = rendered.bands(clips, plants.DEFINITION)
        rng = np.random.default_rng(seed)
        return np.stack([_filtered(rng, bands) for _ in range(40)], 1)

    return {"planted": planted, "untrained": untrained}


# Usual means and deviations of the targets over clips: what makes their mixtures even.
_SCALES = np.asarray([[0.03, 3.0, 300.0, 0.7, 1200.0], [0.03, 1.5, 150.0, 0.2, 500.0]])


def _layers(outputs: Any) -> Mapping[str, jax.Array]:
    """What a network gives beside its logits."""
    return outputs[1]


def _filtered(rng: np.random.Generator, bands_bft: np.ndarray) -> np.ndarray:
    x = bands_bft / 20.0 + 2.0
    for _ in range(2):
        kernel = np.zeros(x.shape[1:])
        kernel[:5, :5] = rng.normal(size=(5, 5)) / 5
        x = np.maximum(np.fft.irfft2(np.fft.rfft2(x) * np.fft.rfft2(kernel), s=x.shape[1:]), 0)
    return x.mean((1, 2))


def _batched(run: Callable[[jax.Array], jax.Array], wave_bs: np.ndarray, batch: int = 32) -> np.ndarray:
    """`run` of all clips, in batches of one shape."""
    outputs = []
    for start in range(0, len(wave_bs), batch):
        some_bs = wave_bs[start : start + batch]
        padding_bs = np.zeros((batch - len(some_bs), some_bs.shape[1]), some_bs.dtype)
        output = np.asarray(run(jnp.asarray(np.concatenate([some_bs, padding_bs]))))
        outputs.append(output[: len(some_bs)])
    return np.concatenate(outputs)


def clip_indices(seed: int, count: int, with_drums: bool, clip_seconds: float) -> list[int]:
    """Clips of all classes in turn, far from those that are scored."""
    from actjax.data.gm import score as gm_score

    indices: list[int] = []
    for index in itertools.count(100_000):
        if len(indices) == count:
            break
        if not with_drums:
            indices.append(index)
            continue
        notes = gm_score.write_score(seed, index, clip_seconds=clip_seconds).notes
        if (notes[:, 4] == gm_score.DRUMS).any():
            indices.append(index)
    return indices


def slope(x_bd: np.ndarray, y_bdn: np.ndarray) -> np.ndarray:
    """[n] least-squares slope within clips."""
    x = x_bd - x_bd.mean(1, keepdims=True)
    y = y_bdn - y_bdn.mean(1, keepdims=True)
    return np.einsum("bd,bdn->n", x, y) / max((x**2).sum(), 1e-12)


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
