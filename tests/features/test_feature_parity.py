"""Parity with librosa (spectra, rhythm, pitch) and pyloudnorm at equal settings, on synthetic music."""

import jax
import librosa
import numpy as np
import pyloudnorm
import pytest
from signals import music, relative_error

from actjax import lookup
from actjax.extraction.compute import compute, feature

# Compiled as users do.
pytestmark = pytest.mark.usefixtures("optimised")

SETTINGS = [(12000, 512, 256), (22050, 2048, 512)]


MEL = {"n_mels": 96}
CHOSEN = {
    "chroma_stft": {},
    "harmonic": MEL,
    "harmonic_ratio": {},
    "log_mel": MEL,
    "loudness_a_weighted": {},
    "loudness_stevens": {},
    "mel": MEL,
    "mfcc": MEL | {"n_mfcc": 13, "deltas": 2},
    "onset_rate": {},
    "onset_strength": {},
    "onsets": {},
    "percussive": MEL,
    "rms": {},
    "spectral_bandwidth": {},
    "spectral_centroid": {},
    "spectral_contrast": {},
    "spectral_flatness": {},
    "spectral_rolloff": {},
    "stft_magnitude": {},
    "tempo": {},
    "tempogram": {},
    "zero_crossing_rate": {},
}


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda s: f"{s[0]}-{s[1]}-{s[2]}")
def case(request):
    """(wave, settings, name -> values): one program for all features of a setting compiles far faster."""
    rate, n_fft, hop = request.param
    wave, options = music(rate), {"sample_rate_hz": rate, "n_fft": n_fft, "hop_samples": hop}
    made = [lookup.load("feature", name, **options, **more) for name, more in CHOSEN.items()]
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    computed = jax.jit(lambda waves: compute(made, waves), compiler_options=quick)(wave[None])
    assert all(valid.all() for _, valid in computed.values())
    return wave, options, {name: np.asarray(values[0]) for name, (values, _) in computed.items()}


def of_librosa(options, **more):
    return {
        "sr": options["sample_rate_hz"],
        "n_fft": options["n_fft"],
        "hop_length": options["hop_samples"],
    } | more


def complex_spectrum(wave, options):
    return librosa.stft(wave, n_fft=options["n_fft"], hop_length=options["hop_samples"])


def agrees(found, expected, tolerance=1e-4):
    found = np.asarray(found)
    assert found.shape == np.shape(expected)
    assert relative_error(found, expected) < tolerance


def test_spectra(case):
    wave, options, found = case
    spectrum = np.abs(complex_spectrum(wave, options))
    mel = librosa.feature.melspectrogram(y=wave, n_mels=96, **of_librosa(options))
    agrees(found["stft_magnitude"], spectrum)
    agrees(found["mel"], mel)
    agrees(found["log_mel"], librosa.power_to_db(mel))


def test_harmonic_and_percussive(case):
    wave, options, found = case
    spectrum = complex_spectrum(wave, options)
    parts = librosa.decompose.hpss(spectrum)
    energy = [np.sum(np.abs(part) ** 2, axis=0) for part in parts]
    for name, part in zip(("harmonic", "percussive"), parts, strict=True):
        expected = librosa.feature.melspectrogram(
            S=np.abs(part) ** 2, sr=options["sample_rate_hz"], n_fft=options["n_fft"], n_mels=96
        )
        agrees(found[name], expected)
    agrees(found["harmonic_ratio"][0], energy[0] / (energy[0] + energy[1]))


def test_masks_of_the_separation():
    wave, options = music(12000, 1.0), {"sample_rate_hz": 12000, "n_fft": 512, "hop_samples": 256}
    masks = librosa.decompose.hpss(complex_spectrum(wave, options), mask=True, margin=(1.5, 2.0))
    bank = librosa.filters.mel(sr=12000, n_fft=512, n_mels=40)
    for name, mask in zip(("harmonic", "percussive"), masks, strict=True):
        found = feature(name, wave, n_mels=40, mask=True, margin=(1.5, 2.0), **options)
        agrees(found, bank @ mask / bank.sum(axis=1, keepdims=True))
    with pytest.raises(ValueError, match="no power"):
        feature("harmonic", wave, mask=True, scale="db")


def test_chroma_stft(case):
    wave, options, found = case
    agrees(found["chroma_stft"], librosa.feature.chroma_stft(y=wave, **of_librosa(options)))


def test_chroma_stft_of_a_given_tuning():
    wave = music(12000, 1.0)
    expected = librosa.feature.chroma_stft(y=wave, sr=12000, tuning=-0.27)
    agrees(feature("chroma_stft", wave, sample_rate_hz=12000, tuning=-0.27), expected)


def test_mfcc_and_deltas(case):
    wave, options, values = case
    expected = librosa.feature.mfcc(y=wave, n_mfcc=13, n_mels=96, **of_librosa(options))
    deltas = [librosa.feature.delta(expected, order=order) for order in (1, 2)]
    found = values["mfcc"]
    agrees(found[:13], expected)
    agrees(found[13:26], deltas[0])
    agrees(found[26:], deltas[1])


def test_spectral_shape(case):
    wave, options, found = case
    settings = of_librosa(options)
    agrees(found["spectral_centroid"], librosa.feature.spectral_centroid(y=wave, **settings))
    agrees(found["spectral_bandwidth"], librosa.feature.spectral_bandwidth(y=wave, **settings))
    flatness = librosa.feature.spectral_flatness(
        y=wave, n_fft=options["n_fft"], hop_length=options["hop_samples"]
    )
    agrees(found["spectral_flatness"], flatness)
    rolloff = librosa.feature.spectral_rolloff(y=wave, **settings)
    # Rounding may move a frame by one bin where the share is met almost exactly.
    moved = np.abs(found["spectral_rolloff"] - rolloff) > 1e-2
    assert moved.mean() < 0.02


def test_spectral_contrast(case):
    wave, options, found = case
    n_bands = 5 if options["sample_rate_hz"] == 12000 else 6
    expected = librosa.feature.spectral_contrast(y=wave, n_bands=n_bands, **of_librosa(options))
    agrees(found["spectral_contrast"], expected)


def test_level_and_crossings(case):
    wave, options, found = case
    frames = {"frame_length": options["n_fft"], "hop_length": options["hop_samples"]}
    rms = librosa.feature.rms(y=wave, **frames)
    agrees(found["rms"], rms)
    agrees(found["loudness_stevens"], (rms**2 * options["n_fft"]) ** 0.67)
    agrees(found["zero_crossing_rate"], librosa.feature.zero_crossing_rate(wave, **frames))


def test_loudness_a_weighted(case):
    wave, options, found = case
    rate, n_fft = options["sample_rate_hz"], options["n_fft"]
    spectrum = complex_spectrum(wave.astype(np.float64), options)
    bins_hz = np.maximum(librosa.fft_frequencies(sr=rate, n_fft=n_fft), 1e-3)
    weighted = np.abs(spectrum) ** 2 * librosa.db_to_power(librosa.A_weighting(bins_hz))[:, None]
    weighted[1:-1] *= 2
    window = librosa.filters.get_window("hann", n_fft)
    expected = 10 * np.log10(np.maximum(weighted.sum(axis=0) / (n_fft * np.sum(window**2)), 1e-10))
    np.testing.assert_allclose(found["loudness_a_weighted"][0], expected, atol=1e-3)


def test_rhythm(case):
    wave, options, found = case
    rate, hop = options["sample_rate_hz"], options["hop_samples"]
    envelope = librosa.onset.onset_strength(y=wave, **of_librosa(options))
    agrees(found["onset_strength"][0], envelope, 1e-3)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, sr=rate, hop_length=hop, sparse=False)
    assert onsets.sum() > 3
    np.testing.assert_array_equal(found["onsets"][0], onsets)
    expected = onsets.sum() * rate / wave.size
    np.testing.assert_allclose(found["onset_rate"], [[expected]], rtol=1e-5)
    tempogram = librosa.feature.tempogram(onset_envelope=envelope, sr=rate, hop_length=hop)
    agrees(found["tempogram"], tempogram, 1e-3)
    tempo = librosa.feature.tempo(onset_envelope=envelope, sr=rate, hop_length=hop)
    np.testing.assert_allclose(found["tempo"], [tempo], rtol=1e-5)


def test_f0_yin():
    wave = music(12000, 2.0)
    settings = {"sr": 12000, "frame_length": 2048, "hop_length": 256, "fmin": 65.4, "fmax": 2093.0}
    expected = librosa.yin(wave.astype(np.float64), **settings)
    found = np.asarray(feature("f0_yin", wave, sample_rate_hz=12000, hop_samples=256, voicing=1e6))[0]
    # float32 may choose another of two troughs that are equally deep.
    close = np.isclose(found, expected, rtol=1e-3)
    assert close.mean() > 0.97


def test_f0_pyin_refuses_hops_that_librosas_model_cannot_take():
    rate, hops, fmin_hz, fmax_hz = 12000, range(256, 4097, 128), 65.4, 2093.0
    refused = []
    for hop in hops:
        try:
            lookup.load("feature", "f0_pyin", sample_rate_hz=rate, n_fft=4096, hop_samples=hop)
        except ValueError as error:
            assert f"in {hop} samples at 12000 Hz" in str(error)
            refused.append(hop)
    # By pYIN's own model, as librosa makes it: pitches in steps of 10 cents, steps of whole semitones.
    states, taken = int(np.floor(120 * np.log2(fmax_hz / fmin_hz))) + 1, []
    for hop in hops:
        try:
            librosa.sequence.transition_local(
                states, round(35.92 * 12 * hop / rate) * 10 + 1, window="triangle"
            )
            taken.append(hop)
        except librosa.util.exceptions.ParameterError:
            continue
    assert refused and taken and sorted(refused + taken) == list(hops)


@pytest.mark.parametrize("rate, hop", [(12000, 256), pytest.param(22050, 512, marks=pytest.mark.long)])
def test_constant_q_chroma(rate, hop):
    wave = music(rate)
    for name, of in (
        ("chroma_cqt", librosa.feature.chroma_cqt),
        ("chroma_cens", librosa.feature.chroma_cens),
    ):
        expected = of(y=wave, sr=rate, hop_length=hop)
        found = np.asarray(feature(name, wave, sample_rate_hz=rate, hop_samples=hop))
        correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, expected.T, strict=True)]
        assert np.mean(correlations) > 0.99, name
    chroma = librosa.feature.chroma_cqt(y=wave, sr=rate, hop_length=hop)
    tonnetz = librosa.feature.tonnetz(chroma=chroma, sr=rate)
    assert relative_error(feature("tonnetz", wave, sample_rate_hz=rate, hop_samples=hop), tonnetz) < 0.1


def test_cqt_is_its_formula():
    wave = music(12000, 1.0)
    found = np.asarray(feature("cqt", wave, sample_rate_hz=12000, hop_samples=256))
    ratio = 2 ** (1 / 6)
    for i in (0, 11, 40, 83):
        hz = librosa.cqt_frequencies(84, fmin=librosa.note_to_hz("C1"))[i]
        length = (ratio + 1) / (ratio - 1) * 12000 / hz
        lag = np.arange(-np.floor(length / 2), np.floor(length / 2) + 1)
        window = 0.5 + 0.5 * np.cos(2 * np.pi * lag / length)
        kernel = window / window.sum() * np.exp(2j * np.pi * hz / 12000 * lag)
        response = np.abs(np.convolve(wave, kernel))[lag.size // 2 :][: wave.size + 1 : 256]
        expected = np.concatenate([response, np.zeros(found.shape[1] - response.size)]) * np.sqrt(length)
        assert relative_error(found[i, : response.size], expected[: response.size]) < 5e-3, i


def test_cqt_is_close_to_librosa():
    wave = music(22050, 2.0)
    expected = np.abs(librosa.cqt(wave, sr=22050))
    assert relative_error(feature("cqt", wave), expected) < 0.03


@pytest.mark.parametrize("rate", [12000, 48000])
def test_loudness_bs1770(rate):
    wave = music(rate)
    expected = pyloudnorm.Meter(rate).integrated_loudness(wave.astype(np.float64))
    found = feature("loudness_bs1770", wave, sample_rate_hz=rate, integrated=True)
    np.testing.assert_allclose(found, [[expected]], atol=0.1)
    if rate == 48000:  # the standard's own coefficients
        meter = pyloudnorm.Meter(rate, filter_class="DeMan")
        np.testing.assert_allclose(found, [[meter.integrated_loudness(wave.astype(np.float64))]], atol=2e-3)


def test_momentary_loudness_of_the_standards_tone():
    # BS.1770 annex 1: a 997 Hz sine of full scale in one front channel reads -3.01 LUFS.
    wave = np.sin(2 * np.pi * 997 * np.arange(96000) / 48000).astype(np.float32)
    found = np.asarray(feature("loudness_bs1770", wave, sample_rate_hz=48000))[0, 60:-60]
    np.testing.assert_allclose(found, -3.01, atol=0.02)
