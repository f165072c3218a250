"""Batches of features: one program, shared spectra, and the public function."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from signals import music

from actjax import lookup
from actjax.extraction.compute import compute, feature

SETTINGS = {"sample_rate_hz": 12000, "n_fft": 512, "hop_samples": 256}
NAMES = (
    "log_mel",
    "harmonic",
    "percussive",
    "mfcc",
    "spectral_centroid",
    "loudness_a_weighted",
    "onset_strength",
)


def test_one_fourier_transform_per_setting():
    chosen = [lookup.load("feature", name, **SETTINGS) for name in NAMES]
    chosen.append(lookup.load("feature", "chroma_stft", sample_rate_hz=12000, n_fft=2048, hop_samples=256))
    waves = jax.ShapeDtypeStruct((2, 12000), jnp.float32)
    program = jax.jit(lambda waves: compute(chosen, waves)).lower(waves).compile().as_text()
    assert len(re.findall(r" fft\(", program)) == 2


def test_compute_equals_one_by_one():
    waves = np.stack([music(12000, 1.0, seed) for seed in range(2)])
    chosen = [lookup.load("feature", name, **SETTINGS) for name in NAMES]
    together = jax.jit(lambda waves: compute(chosen, waves))(waves)
    assert set(together) == set(NAMES)
    for name, (values, valid) in together.items():
        alone = feature(name, waves, **SETTINGS)
        np.testing.assert_allclose(np.where(valid[:, None], values, np.nan), alone, rtol=2e-5, atol=1e-5)


def test_compute_refuses_two_of_a_name():
    chosen = [lookup.load("feature", "rms")] * 2
    with pytest.raises(ValueError, match="different names"):
        compute(chosen, jnp.zeros((1, 100)))


def test_feature_marks_invalid_frames():
    wave = np.zeros(22050, np.float32)
    wave[11025:] = music(22050, 0.5)
    found = np.asarray(feature("spectral_centroid", wave))
    assert found.shape == (1, 44)
    assert np.isnan(found[0, :18]).all()
    assert np.isfinite(found[0, 24:]).all()


def test_feature_does_not_recompile():
    waves = jnp.asarray(music(22050, 0.25))
    feature("rms", waves)
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "load", None)  # a second call must not even make the feature again
        feature("rms", waves)


@pytest.mark.parametrize(
    "wave, message",
    [
        (np.zeros((1, 1, 5), np.float32), "got shape"),
        (np.zeros(0, np.float32), "at least 1 sample"),
        (np.zeros(50, np.int16), "divide by full scale"),
        (np.full(50, np.nan, np.float32), "finite"),
        (np.full(50, 1e39), "beyond float32"),
        (np.zeros((3000, 2)), r"\(3000, 2\), which looks like \[samples, channels\].*mean\(axis=1\).*wave.T"),
        (np.ma.masked_invalid([0.1, np.nan]), "without masked samples"),
        ([[0.1], [0.1, 0.2]], "lists of different lengths"),
    ],
)
def test_feature_refuses_bad_waves(wave, message):
    with pytest.raises(ValueError, match=message):
        feature("rms", wave)


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "22050", None])
def test_feature_refuses_rates_that_are_none(rate):
    with pytest.raises(ValueError, match="positive, finite sample_rate_hz"):
        feature("rms", np.zeros(50, np.float32), sample_rate_hz=rate)


def test_feature_takes_any_floating_wave():
    wave = np.linspace(-0.5, 0.5, 3000)
    expected = np.asarray(feature("rms", wave.astype(np.float32)))
    for same in (
        wave,
        wave.tolist(),
        wave.astype(">f4"),
        wave.astype(np.longdouble),
        wave[::-1].copy()[::-1],
    ):
        np.testing.assert_allclose(feature("rms", same), expected, atol=1e-6)


def test_feature_names_the_nearest():
    with pytest.raises(lookup.UnknownNameError, match="chroma_stft"):
        feature("chroma_sft", np.zeros(50, np.float32))
    with pytest.raises(lookup.UnknownNameError, match="hop_samples"):
        feature("rms", np.zeros(50, np.float32), hop_length=512)
