"""One contract for every feature: declared shape, defined values on bad input, gradients, frame times.

All features that are asked for share one program per question: compiling forty one by one would take minutes.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from signals import music

from actjax import lookup
from actjax.extraction.compute import compute, feature

RATE, SAMPLES, CLICK = 12000, 12100, 6000
NAMES = lookup.names("feature")
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# Counts, decisions and quantised values are constant almost everywhere.
WITHOUT_GRADIENT = {"chroma_cens", "onset_rate", "onsets", "spectral_rolloff", "tempo", "zero_crossing_rate"}
# What is meaningless at a low sample rate refuses it; pitch up to 2093 Hz does not exist at 2 kHz.
REFUSES_2_KHZ = {
    "chroma_cens": "sample rate",
    "chroma_cqt": "sample rate",
    "chroma_stft": "sample rate",
    "cqt": "sample rate",
    "dynamic_range": "sample rate",
    "f0_pyin": "fmax_hz",
    "f0_yin": "fmax_hz",
    "harmonic_to_noise_ratio": "fmax_hz",
    "inharmonicity": "fmax_hz",
    "loudness_bs1770": "sample rate",
    "odd_even_ratio": "fmax_hz",
    "tonnetz": "sample rate",
}
# Without enough signal for a single value.
REFUSES_SHORT = {"dynamic_range": "at least 4800 samples"}
# One of each way to a value, since backward passes compile for long: the others run with --long.
GRADIENTS_IN_EVERY_RUN = {
    "chroma_stft",
    "harmonic",
    "log_mel",
    "loudness_stevens",
    "odd_even_ratio",
    "rms",
    "spectral_centroid",
    "tempo",
}


def gradient_of(name):
    """The name as a test's parameter."""
    return pytest.param(name, marks=() if name in GRADIENTS_IN_EVERY_RUN else pytest.mark.long)


def make(name, rate=RATE):
    options = lookup.options_of("feature", name)
    wanted = {"n_fft": 1024, "hop_samples": 256, "win_frames": 21, "n_mels": 40}
    chosen = {k: v for k, v in wanted.items() if k in options}
    if name == "f0_pyin":
        chosen["hop_samples"] = 1024  # librosa searches frame by frame, slowly where it compiled unoptimised
    return lookup.load("feature", name, sample_rate_hz=rate, **chosen)


def run(features, waves):
    """name -> (values [b, rows, frames], valid [b, frames]), on the device or on the host."""
    on_device = [f for f in features if not f.host]
    program = jax.jit(lambda waves: compute(on_device, waves), compiler_options=QUICK)
    results = dict(program(jnp.asarray(waves, jnp.float32)))
    for hosted in (f for f in features if f.host):
        pairs = [hosted.fn(np.asarray(wave, np.float32)) for wave in waves]
        results[hosted.name] = tuple(np.stack(part) for part in zip(*pairs, strict=True))
    return jax.device_get(results)


def signals():
    time = np.arange(SAMPLES) / RATE
    click = 1e-4 * np.random.default_rng(0).standard_normal(SAMPLES)
    click[CLICK] += 1.0
    tone = sum(np.sin(2 * np.pi * 220.3 * h * time + h) / h for h in range(1, 8)) * np.exp(
        -8 * (time - 0.4) ** 2
    )
    return {
        "music": music(RATE, 1.5)[:SAMPLES],
        "tone": 0.2 * tone + 0.002 * np.random.default_rng(1).standard_normal(SAMPLES),
        "silence": np.zeros(SAMPLES),
        "click": click,
        "dc": np.full(SAMPLES, 0.5),
        "clipped": np.sign(np.sin(2 * np.pi * 440 * time)),
    }


@pytest.fixture(scope="module")
def made(request):
    """The features that the chosen tests of this file ask for: with -k one, only one is compiled."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if item.path == request.path and "name" in getattr(getattr(item, "callspec", None), "params", {})
    }
    return {name: make(name) for name in NAMES if name in asked}


@pytest.fixture(scope="module")
def results(made):
    kinds = signals()
    batch = run(list(made.values()), np.stack(list(kinds.values())))
    return {
        kind: {name: (values[i], valid[i]) for name, (values, valid) in batch.items()}
        for i, kind in enumerate(kinds)
    }


@pytest.mark.parametrize("name", NAMES)
def test_declaration(made, name):
    chosen = made[name]
    assert chosen.name == name
    assert chosen.axis in ("frequency", "pitch_class", "coefficient", "none")
    assert chosen.rows == len(chosen.row_names) == len(set(chosen.row_names))
    assert (chosen.centres_hz is not None) == (chosen.axis == "frequency")
    if chosen.centres_hz is not None:
        assert len(chosen.centres_hz) == chosen.rows
        assert np.all(np.diff(chosen.centres_hz) > 0)
    assert chosen.sample_rate_hz == RATE
    assert chosen.window_samples > 0
    factory = lookup.factory("feature", name)
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(factory).parameters.values())
    for part in ("Rows:", "Unit:", "Raises:", "Reference:"):
        assert part in factory.__doc__, f"{name} does not document {part}"
    assert chosen.unit
    assert chosen.reference


@pytest.mark.parametrize("name", NAMES)
def test_values_are_finite_and_the_undefined_is_marked(made, results, name):
    chosen = made[name]
    frames = 1 if chosen.hop_samples is None else 1 + SAMPLES // chosen.hop_samples
    for kind, of_kind in results.items():
        values, valid = of_kind[name]
        assert values.shape == (chosen.rows, frames), kind
        assert values.dtype == np.float32, kind
        assert valid.shape == (frames,), kind
        assert valid.dtype == bool, kind
        assert np.isfinite(values).all(), kind
        assert valid.all() or not chosen.always_valid, kind
    assert results["music"][name][1].any()
    if not chosen.always_valid and name != "spectral_flux":
        assert not results["silence"][name][1].any(), "silence is undefined"


@pytest.fixture(scope="module")
def short_and_low(made):
    """200 samples, at 2 kHz where the feature takes it and at 12 kHz where not."""
    chosen = [
        make(name, RATE if name in REFUSES_2_KHZ else 2000) for name in made if name not in REFUSES_SHORT
    ]
    return run(chosen, music(RATE, 1.0)[None, 2000:2200])


@pytest.mark.parametrize("name", NAMES)
def test_a_short_clip_and_a_low_rate_are_defined_or_refused(short_and_low, name):
    if name in REFUSES_2_KHZ:
        with pytest.raises(ValueError, match=REFUSES_2_KHZ[name]):
            make(name, 2000)
    if name in REFUSES_SHORT:
        with pytest.raises(ValueError, match=REFUSES_SHORT[name]):
            make(name).fn(jnp.zeros(200))
    else:
        values, valid = short_and_low[name]
        assert np.isfinite(values).all()
        assert values.shape[2] == valid.shape[1] == 1
    with pytest.raises(ValueError, match="at least 1 sample"):
        feature(name, np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def gradients(made, request):
    """kind -> name -> the gradient of a weighted sum of the feature's valid values."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if item.path == request.path and item.originalname == "test_gradients_are_finite_and_flow"
    }

    def total(chosen, wave_s):
        values, valid = chosen.fn(wave_s)
        weights = jnp.cos(jnp.arange(values.size, dtype=values.dtype)).reshape(values.shape)
        return jnp.sum(jnp.where(valid[None, :], values, 0.0) * weights)

    def all_gradients(wave_s):
        return {name: jax.grad(total, argnums=1)(made[name], wave_s) for name in sorted(asked)}

    kinds = {kind: signals()[kind] for kind in ("tone", "silence", "click")}
    program = jax.jit(jax.vmap(all_gradients), compiler_options=QUICK)
    batch = jax.device_get(program(jnp.asarray(np.stack(list(kinds.values())), jnp.float32)))
    return {kind: {name: g[i] for name, g in batch.items()} for i, kind in enumerate(kinds)}


@pytest.mark.parametrize("name", [gradient_of(name) for name in NAMES if name != "f0_pyin"])
def test_gradients_are_finite_and_flow(gradients, name):
    for kind, of_kind in gradients.items():
        says = f"{kind}: jnp.where goes inside a root, a logarithm or a quotient, not behind it"
        assert np.isfinite(of_kind[name]).all(), says
    flows = np.abs(gradients["tone"][name]).max() > 0
    assert flows == (name not in WITHOUT_GRADIENT), f"gradient {'flows' if flows else 'is zero'}: see the top"


@pytest.mark.parametrize("name", ("onset_strength", "spectral_flux", "rms", "percussive"))
def test_a_click_peaks_at_its_time(made, results, name):
    chosen = made[name]
    values, valid = results["click"][name]
    curve = np.where(valid, values, 0.0).sum(axis=0)
    loud = np.flatnonzero(curve > 0.5 * curve.max())
    seconds = chosen.first_frame_s + loud * chosen.hop_samples / RATE
    # The click is inside several frames; the middle of the loud ones is its time, to a hop and a half.
    assert abs((seconds[0] + seconds[-1]) / 2 - CLICK / RATE) < 1.5 * chosen.hop_samples / RATE


@pytest.mark.parametrize("bad", [{"n_fft": 511}, {"hop_samples": 0}, {"sample_rate_hz": 0}])
@pytest.mark.parametrize("name", NAMES)
def test_impossible_settings_are_refused(name, bad):
    if set(bad) <= set(lookup.options_of("feature", name)):
        with pytest.raises(ValueError, match="expected|must be"):
            lookup.load("feature", name, **bad)
