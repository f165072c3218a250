"""A click at a known time peaks in the same place in a feature and in a shallow layer's map."""

import jax
import numpy as np
import pytest

from actjax import dsp, lookup, parallel
from actjax.activations import capture, comparisons
from actjax.types import Frontend

FRONT = Frontend(n_mels=64, offset=40.0, scale=20.0)
SAMPLES = 36000


@pytest.mark.parametrize("at_s", [0.8, 1.53, 2.2])
def test_a_click_peaks_at_its_time_on_both_sides(at_s):
    wave = 1e-3 * np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32)
    wave[round(at_s * 12000)] = 1.0
    settings = {"sample_rate_hz": 12000, "hop_samples": 256, "n_fft": 512}
    features = [lookup.load("feature", name, **settings) for name in ("onset_strength", "rms")]
    setting = comparisons.Setting(
        frontend=FRONT,
        band_centres_hz=dsp.mel_centres_hz(12000, 64, 0.0, None),
        clip_samples=SAMPLES,
        wants=frozenset({("frame", False)}),
    )
    bands, _ = capture.input_layers((64, 141))
    module = lookup.load("model", "vgg", num_classes=2)
    image = np.zeros((1, 64, 141), np.float32)
    variables = jax.jit(module.init, static_argnames="train")(jax.random.key(0), image, train=False)
    shallow = module.layers((64, 141))[0]
    families, made = [], comparisons.plan([shallow], features, setting)[0]
    families.append(
        capture.Family(("net",), capture.network_outputs(module), capture.stack([variables]), tuple(made))
    )
    inputs = comparisons.plan([bands], features, setting)[0]
    families.append(
        capture.Family(
            ("input",), capture.input_outputs, {"none": np.zeros((1, 1), np.float32)}, tuple(inputs)
        )
    )
    observe = capture.make_observe(families, features, FRONT)
    weights = [parallel.replicate(f.variables) for f in families]
    d = parallel.local_device_count()
    audio, length = np.tile(wave, (d, 1, 1)), np.full((d, 1), SAMPLES, np.int32)
    sides, _ = observe(weights, audio, length, capture.Supplied())
    for family, found in zip(families, sides, strict=True):
        for problem, (x, y, _) in zip(family.problems, found, strict=True):
            times = problem.time.edges.mean(axis=1)
            step = problem.time.edges[0, 1] - problem.time.edges[0, 0]
            neurons, rows = np.asarray(x)[0, 0, 0], np.asarray(y)[0, 0]
            for series in (*rows.T, np.abs(neurons - np.median(neurons, axis=0)).mean(axis=1)):
                assert abs(times[series.argmax()] - at_s) <= step, problem.name
