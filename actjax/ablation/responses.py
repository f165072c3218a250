"""Changes one thing in rendered clips, all else the same, and measures what every neuron makes of it."""

import numpy as np

from actjax import lookup, runs
from actjax.atlas_site import activity
from actjax.atlas_site.build import Network
from actjax.benchmark.metrics import causal, rendered
from actjax.data.source import Source, joined
from actjax.workdir.clip_activations import ClipActivations

# Clips of each intervention; each at five doses.
CLIPS = 16


def can_render(run: runs.Run) -> bool:
    """Whether the run's data set is one that can be rendered with something changed."""
    [(name, _)] = lookup.parse_specs(run.config.data.name)
    return name == "gm_instruments"


def slopes(
    run: runs.Run, opened: Network, activations: ClipActivations
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Network -> layer -> what is changed -> [n] the neuron's slope on the dose, from -1 to 1.

    The neuron is its mean over a clip, in its own deviations between the clips that were scored; NaN where
    it is constant there.
    """
    out: dict[str, dict[str, dict[str, np.ndarray]]] = {
        name: {layer.name: {} for layer in opened.layers} for name in opened.weights
    }
    # All interventions are one pass, so that one program is compiled.
    clips = [rendered_clips(run, cause_name) for cause_name in causal.CAUSES]
    means = activity.clip_means(opened.network, opened.layers, opened.weights, joined(clips))
    first = 0
    for (cause_name, cause), of_cause in zip(causal.CAUSES.items(), clips, strict=True):
        mine = slice(first, first + len(of_cause))
        first = mine.stop
        for name, layers in means.items():
            for layer, values_bn in layers.items():
                deviation = activations.means[name][layer].std(axis=0)
                by_dose = values_bn[mine].reshape(CLIPS, len(cause.doses), -1)
                slope = causal.slope(np.broadcast_to(_doses(len(cause.doses)), by_dose.shape[:2]), by_dose)
                varies = deviation > 1e-6
                out[name][layer][cause_name] = np.where(
                    varies, slope / np.where(varies, deviation, 1.0), np.nan
                )
    return out


def rendered_clips(run: runs.Run, cause_name: str) -> Source:
    """Clips under one intervention, the doses of one clip beside each other."""
    data, cause = run.config.data, causal.CAUSES[cause_name]
    definition = {"clips": {"clip_seconds": data.clip_seconds, "sample_rate_hz": data.sample_rate_hz}}
    indices = causal.clip_indices(data.seed, CLIPS, cause_name == "percussion", data.clip_seconds)
    versions = [
        rendered.render(data.seed, indices, definition, intervention=causal.intervention(cause, dose))
        for dose in cause.doses
    ]
    waves = np.stack([version.wave_bs for version in versions], 1)
    wave_bs = waves.reshape(-1, waves.shape[-1]).astype(np.float32)
    return Source(
        reader=[{"audio": wave} for wave in wave_bs],
        clip_ids=[str(i) for i in range(len(wave_bs))],
        recording_ids=[str(i // len(cause.doses)) for i in range(len(wave_bs))],
        labels=np.zeros(len(wave_bs), np.int32),
        class_names=("",),
        sample_rate_hz=run.setup.frontend.sample_rate_hz,
        clip_samples=wave_bs.shape[1],
        fingerprint=cause_name,
    )


def _doses(count: int) -> np.ndarray:
    return np.linspace(-1.0, 1.0, count)
