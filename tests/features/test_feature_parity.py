"""Parity with librosa at equal settings, on synthetic music."""

import librosa
import numpy as np
import pytest
from signals import music, relative_error

from actjax.features import feature

SETTINGS = [(12000, 512, 256), (22050, 2048, 512)]


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda s: f"{s[0]}-{s[1]}-{s[2]}")
def case(request):
    rate, n_fft, hop = request.param
    return music(rate), {"sample_rate_hz": rate, "n_fft": n_fft, "hop_samples": hop}


def of_librosa(options, **more):
    return {
        "sr": options["sample_rate_hz"],
        "n_fft": options["n_fft"],
        "hop_length": options["hop_samples"],
    } | more


def mel_of(spectrum, options):
    return librosa.feature.melspectrogram(
        S=spectrum, sr=options["sample_rate_hz"], n_fft=options["n_fft"], n_mels=96
    )


def test_log_mel(case):
    wave, options = case
    power = librosa.feature.melspectrogram(y=wave, n_mels=96, **of_librosa(options))
    expected = librosa.power_to_db(power)
    assert relative_error(feature("log_mel", wave, n_mels=96, **options), expected) < 1e-4


def test_harmonic_and_percussive(case):
    wave, options = case
    complex_spectrum = librosa.stft(wave, n_fft=options["n_fft"], hop_length=options["hop_samples"])
    parts = librosa.decompose.hpss(complex_spectrum)
    for name, part in zip(("harmonic", "percussive"), parts, strict=True):
        expected = mel_of(np.abs(part) ** 2, options)
        found = feature(name, wave, n_mels=96, **options)
        assert relative_error(found, expected) < 1e-4, name


@pytest.mark.parametrize("tuning", [None, 0.0, -0.27])
def test_chroma_stft(case, tuning):
    wave, options = case
    expected = librosa.feature.chroma_stft(y=wave, tuning=tuning, **of_librosa(options))
    assert relative_error(feature("chroma_stft", wave, tuning=tuning, **options), expected) < 1e-4


def test_mfcc(case):
    wave, options = case
    expected = librosa.feature.mfcc(y=wave, n_mfcc=13, n_mels=96, **of_librosa(options))
    assert relative_error(feature("mfcc", wave, n_mfcc=13, n_mels=96, **options), expected) < 1e-4


def test_rms(case):
    wave, options = case
    expected = librosa.feature.rms(y=wave, frame_length=options["n_fft"], hop_length=options["hop_samples"])
    assert relative_error(feature("rms", wave, **options), expected) < 1e-4


def test_loudness_a_weighted(case):
    wave, options = case
    rate, n_fft = options["sample_rate_hz"], options["n_fft"]
    spectrum = librosa.stft(wave.astype(np.float64), n_fft=n_fft, hop_length=options["hop_samples"])
    bins_hz = np.maximum(librosa.fft_frequencies(sr=rate, n_fft=n_fft), 1e-3)
    weighted = np.abs(spectrum) ** 2 * librosa.db_to_power(librosa.A_weighting(bins_hz))[:, None]
    weighted[1:-1] *= 2
    window = librosa.filters.get_window("hann", n_fft)
    expected = 10 * np.log10(np.maximum(weighted.sum(axis=0) / (n_fft * np.sum(window**2)), 1e-10))
    found = np.asarray(feature("loudness_a_weighted", wave, **options))[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_spectral_centroid(case):
    wave, options = case
    expected = librosa.feature.spectral_centroid(y=wave, **of_librosa(options))
    assert relative_error(feature("spectral_centroid", wave, **options), expected) < 1e-4


def test_onset_strength(case):
    wave, options = case
    expected = librosa.onset.onset_strength(y=wave, **of_librosa(options))[None, :]
    assert relative_error(feature("onset_strength", wave, **options), expected) < 1e-3


def test_onset_rate(case):
    wave, options = case
    envelope = librosa.onset.onset_strength(y=wave, **of_librosa(options))
    onsets = librosa.onset.onset_detect(
        onset_envelope=envelope, sr=options["sample_rate_hz"], hop_length=options["hop_samples"]
    )
    expected = len(onsets) * options["sample_rate_hz"] / wave.size
    assert expected > 1
    np.testing.assert_allclose(np.asarray(feature("onset_rate", wave, **options)), [[expected]], rtol=1e-5)
