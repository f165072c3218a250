"""Autocorrelations of frames against float64 sums, by a CPU's way and by that of other devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import dsp
from actjax.dsp import autocorrelation, fourier
from actjax.kernels import platform as platforms


@pytest.fixture(params=["cpu", "default"])
def platform(request, monkeypatch):
    """Traces what is lowered on a CPU, or elsewhere."""
    monkeypatch.setattr(platforms, "dependent", lambda *args, **ways: ways[request.param](*args))


def _sums(frames_ts, lags):
    frames = np.asarray(frames_ts, np.float64)
    end = frames.shape[1]
    return np.stack([np.sum(frames[:, : end - lag] * frames[:, lag:], axis=1) for lag in range(lags)], axis=1)


def _frames(length, hop_samples, offset=0.0):
    wave = np.random.default_rng(0).standard_normal(700).astype(np.float32)
    return dsp.frame(jnp.asarray(wave), length, hop_samples) + np.float32(offset)


# The longest lag that hops reach, one beyond it, frames of no whole hops, and frames that do not overlap.
@pytest.mark.parametrize(
    "length, hop_samples, lags", [(96, 24, 25), (96, 24, 26), (100, 24, 25), (51, 17, 9), (96, 96, 40)]
)
def test_frame_autocorrelation(platform, length, hop_samples, lags):
    frames = _frames(length, hop_samples)
    expected = _sums(frames, lags)
    of_frames = jax.jit(autocorrelation.frame_autocorrelation, static_argnums=(1, 2))
    found = of_frames(frames, hop_samples, lags)
    assert found.shape == (len(frames), lags)
    np.testing.assert_allclose(found / expected[:, :1], expected / expected[:, :1], atol=2e-6)


@pytest.mark.parametrize("length, lags", [(96, 50), (97, 97), (30, 1), (20, 25)])
def test_autocorrelation_of_rows(platform, length, lags):
    frames = np.asarray(_frames(length, 20))[2:-4]
    expected = _sums(np.pad(frames, ((0, 0), (0, lags))), lags)
    found = jax.jit(autocorrelation.autocorrelation, static_argnums=1)(frames, lags)
    np.testing.assert_allclose(found / expected[:, :1], expected / expected[:, :1], atol=2e-6)


def test_summed_autocorrelation(platform):
    frames = np.asarray(_frames(60, 20))
    expected = np.sum(_sums(frames, 60), axis=0)
    found = jax.jit(autocorrelation.summed_autocorrelation, static_argnums=1)(frames, 60)
    np.testing.assert_allclose(found / expected[0], expected / expected[0], atol=2e-6)


@pytest.mark.parametrize("length, lags", [(96, 50), (128, 12), (128, 66)])
def test_hann_autocorrelation(platform, length, lags):
    frames = _frames(length, 32, offset=0.5)
    centred = np.asarray(frames, np.float64)
    centred = centred - np.mean(centred, axis=1, keepdims=True)
    expected = _sums(centred * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)), lags)
    found = jax.jit(autocorrelation.hann_autocorrelation, static_argnums=1)(frames, lags)
    np.testing.assert_allclose(found / expected[:, :1], expected / expected[:, :1], atol=2e-6)


@pytest.mark.parametrize("length", [1, 2, 9, 12])
def test_inverse_of_real_signals(platform, length):
    signals = np.random.default_rng(0).standard_normal((3, length)).astype(np.float32)
    spectrum = np.fft.rfft(signals).astype(np.complex64)
    found = jax.jit(fourier.inverse, static_argnums=1)(spectrum.real, length, spectrum.imag)
    np.testing.assert_allclose(found, signals, atol=1e-6)
