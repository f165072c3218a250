"""The building blocks of actjax.dsp against NumPy, SciPy and librosa.

Each call is one program: operation by operation as many are compiled as there are operations and shapes.
"""

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import scipy.ndimage
from jax.experimental import pallas
from signals import music, relative_error

from actjax import dsp
from actjax.dsp import pitch
from actjax.kernels import largest_near, platform
from actjax.types import Frontend


@pytest.mark.parametrize("length, hop", [(512, 256), (512, 200), (100, 100)])
@pytest.mark.parametrize("samples", [1, 99, 700, 1024])
def test_frame_is_centred_on_multiples_of_the_hop(length, hop, samples):
    wave = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    padded = np.concatenate([np.zeros(length // 2), wave, np.zeros(2 * length)])
    expected = [padded[i * hop : i * hop + length] for i in range(dsp.frame_count(samples, hop))]
    frames = jax.jit(dsp.frame, static_argnums=(1, 2))(wave, length, hop)
    np.testing.assert_array_equal(frames, np.stack(expected))


@pytest.mark.parametrize(
    "wave, message",
    [(np.zeros((2, 8), np.float32), r"one mono wave \[s\]"), (np.zeros(8, np.int16), "int16")],
)
def test_frame_refuses_other_waves(wave, message):
    with pytest.raises(ValueError, match=message):
        dsp.frame(jnp.asarray(wave), 4, 2)


@pytest.mark.parametrize("rate, n_fft, n_mels", [(12000, 512, 96), (22050, 2048, 128)])
def test_mel_bank(rate, n_fft, n_mels):
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
    np.testing.assert_allclose(dsp.mel_bank(rate, n_fft, n_mels), expected, atol=1e-12)
    centres = librosa.mel_frequencies(n_mels + 2, fmax=rate / 2)[1:-1]
    np.testing.assert_allclose(dsp.mel_centres_hz(rate, n_mels), centres, rtol=1e-12)
    with pytest.raises(ValueError, match="fmin_hz < fmax_hz"):
        dsp.mel_bank(rate, n_fft, n_mels, 100.0, float(rate))


@pytest.mark.parametrize("tuning", [-0.5, 0.0, 0.31])
def test_chroma_bank(tuning):
    expected = librosa.filters.chroma(sr=22050, n_fft=2048, tuning=tuning, dtype=np.float64)
    found = jax.jit(dsp.chroma_bank, static_argnums=(1, 2))(np.float32(tuning), 22050, 2048)
    assert relative_error(found, expected) < 1e-5


def test_dct_matrix_is_orthonormal():
    matrix = dsp.dct_matrix(16, 16)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-12)


def test_a_weighting():
    hz = np.array([10.0, 31.5, 1000.0, 10000.0, 20000.0])
    np.testing.assert_allclose(dsp.a_weighting_db(hz), librosa.A_weighting(hz), atol=1e-9)
    assert dsp.a_weighting_db(np.array([0.0]))[0] == -80.0


@pytest.mark.parametrize(
    "window, axis, shape", [(31, 0, (40, 9)), (31, 1, (7, 40)), (5, 0, (3, 2)), (1, 1, (3, 3))]
)
def test_running_median_is_exact(window, axis, shape):
    x = np.random.default_rng(0).gamma(1.0, size=shape).astype(np.float32)
    x[x < 0.3] = 0.0
    size = (window, 1) if axis == 0 else (1, window)
    expected = scipy.ndimage.median_filter(x, size=size, mode="reflect")
    np.testing.assert_array_equal(
        jax.jit(dsp.running_median, static_argnums=(1, 2))(x, window, axis), expected
    )


def test_running_median_gradient():
    x = np.random.default_rng(1).permutation(60).astype(np.float32).reshape(20, 3)
    weights = np.random.default_rng(2).standard_normal((20, 3)).astype(np.float32)
    found = jax.grad(lambda x: jnp.sum(dsp.running_median(x, 7, 0) * weights))(jnp.asarray(x))
    expected = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        moved = x.copy()
        moved[index] += 0.25  # smaller than the distance between any two values, so the order stays
        rise = scipy.ndimage.median_filter(moved, (7, 1), mode="reflect")
        expected[index] = (
            np.sum((rise - scipy.ndimage.median_filter(x, (7, 1), mode="reflect")) * weights) / 0.25
        )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    flat = jax.grad(lambda x: jnp.sum(dsp.running_median(x, 7, 0)))(jnp.zeros((20, 3)))
    np.testing.assert_allclose(jnp.sum(flat), 60.0, rtol=1e-6)


def test_running_median_refuses_an_even_window():
    with pytest.raises(ValueError, match="odd median window"):
        dsp.running_median(jnp.zeros((4, 4)), 4, 0)


@pytest.mark.parametrize("margin, mask_power", [((1.0, 1.0), 2.0), ((2.0, 3.0), 1.0), ((1.0, 1.0), np.inf)])
def test_harmonic_percussive_power(margin, mask_power):
    spectrum = librosa.stft(music(12000, 1.0), n_fft=512, hop_length=256)
    spectrum[:, 10:14] = 0.0
    parts = librosa.decompose.hpss(spectrum, margin=margin, power=mask_power, kernel_size=(17, 31))
    split = functools.partial(
        dsp.harmonic_percussive_power, kernel=(17, 31), margin=margin, mask_power=mask_power
    )
    found = jax.jit(split)(np.abs(spectrum.T) ** 2)
    for part, expected in zip(found, parts, strict=True):
        assert relative_error(part, np.abs(expected.T) ** 2) < 1e-5


tuning = jax.jit(dsp.estimate_tuning, static_argnames="sample_rate_hz")
peaks = jax.jit(dsp.pick_peaks, static_argnames=("sample_rate_hz", "hop_samples"))


@pytest.mark.parametrize("seed", range(4))
def test_estimate_tuning(seed):
    wave = music(22050, 2.0, seed)
    power = np.abs(librosa.stft(wave)) ** 2
    expected = librosa.estimate_tuning(S=power, sr=22050)
    found = tuning(power.T, sample_rate_hz=22050)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_estimate_tuning_of_silence_is_zero():
    assert tuning(np.zeros((20, 257), np.float32), sample_rate_hz=12000) == 0.0


def test_tuning_by_the_kernel_is_the_same(monkeypatch):
    powers = np.stack([np.abs(librosa.stft(music(22050, 0.5, seed))).T ** 2 for seed in range(2)])
    expected = [tuning(power, sample_rate_hz=22050) for power in powers]
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(platform, "dependent", lambda *args, cpu, default: default(*args))
    monkeypatch.setattr(dsp.tuning.precision, "kernel_selects", lambda: True)
    found = jax.jit(jax.vmap(functools.partial(dsp.estimate_tuning, sample_rate_hz=22050)))(powers)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(5))
def test_pick_peaks(seed):
    envelope = np.random.default_rng(seed).gamma(1.0, size=200).astype(np.float32)
    expected = librosa.onset.onset_detect(onset_envelope=envelope, sr=22050, hop_length=128, sparse=False)
    found = peaks(envelope, sample_rate_hz=22050, hop_samples=128)
    np.testing.assert_array_equal(found, expected)
    assert not peaks(np.ones(200, np.float32), sample_rate_hz=22050, hop_samples=128).any()


@pytest.mark.parametrize("squared, top_db", [(False, 80.0), (True, 80.0), (False, None)])
def test_log_mel_image(squared, top_db):
    wave = music(12000, 1.0)
    power = librosa.feature.melspectrogram(y=wave, sr=12000, n_fft=512, hop_length=256, n_mels=96)
    expected = (librosa.power_to_db(power**2 if squared else power, top_db=top_db) + 30.0) / 20.0
    frontend = Frontend(squared=squared, top_db=top_db, scale=20.0, offset=30.0)
    found = jax.jit(dsp.log_mel_image, static_argnums=1)(wave, frontend)
    assert found.shape == (96, dsp.frame_count(12000, 256))
    assert relative_error(found, expected) < 1e-4


def test_log_mel_image_subtracts_an_image_of_its_shape():
    wave = jnp.asarray(music(12000, 0.1))
    plain = dsp.log_mel_image(wave, Frontend(n_mels=8))
    mean = np.arange(plain.size, dtype=np.float32).reshape(plain.shape)
    given = tuple(tuple(float(v) for v in row) for row in mean)
    np.testing.assert_allclose(
        dsp.log_mel_image(wave, Frontend(n_mels=8, subtract=given)), plain - mean, rtol=1e-6
    )
    with pytest.raises(ValueError, match="subtract of shape"):
        dsp.log_mel_image(wave, Frontend(n_mels=8, subtract=given[1:]))


def test_largest_near_multiples_by_all_ways(monkeypatch):
    rng = np.random.default_rng(0)
    magnitude = rng.gamma(1.0, size=(60, 129)).astype(np.float32)
    magnitude[:10], magnitude[10:15] = np.round(magnitude[:10]), 0.0  # of equals the first one
    spacing = rng.uniform(2.0, 50.0, size=60).astype(np.float32)
    ways = [jax.jit(functools.partial(way, count=10)) for way in (pitch._by_stretches, pitch._by_all_bins)]
    expected = ways[0](magnitude, spacing)
    np.testing.assert_array_equal(ways[1](magnitude, spacing), expected)
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    by_kernel = jax.jit(jax.vmap(pitch._by_kernel(10)))
    clips = by_kernel(magnitude.reshape(2, 1, 30, 129), spacing.reshape(2, 1, 30))
    np.testing.assert_array_equal(clips.reshape(60, 10), expected)
    assert largest_near.holds.__wrapped__()


def test_fast_lengths_are_near_and_smooth():
    lengths = {least: dsp.fast_length(least) for least in range(1, 3000)}
    assert all(least <= length <= least * 1.125 + 1 for least, length in lengths.items())
    assert all(2**12 * 3**8 * 5**5 % length == 0 for length in lengths.values())
    assert [lengths[least] for least in (7, 180, 370, 749, 1024)] == [8, 180, 384, 768, 1024]
