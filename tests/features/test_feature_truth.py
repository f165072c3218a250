"""Features against the truth of gm_instruments: what was played, not what another program computes."""

import librosa
import mir_eval
import numpy as np
import pytest
from signals import relative_error

from actjax.data.gm.voices import CLASS_NAMES
from actjax.datasets import gm_instruments
from actjax.extraction.compute import feature

RATE, HOP = 12000, 256
SETTINGS = {"sample_rate_hz": RATE, "hop_samples": HOP}
PERCUSSION = 128


@pytest.fixture(scope="module")
def clips():
    return [gm_instruments.clip(index) for index in range(24)]


@pytest.fixture(scope="module")
def waves(clips):
    return np.stack([np.asarray(clip.audio, np.float32) for clip in clips])


@pytest.fixture(scope="module")
def times(waves):
    return np.arange(1 + waves.shape[1] // HOP) * HOP / RATE


def played_classes(clip, times):
    """[12, t] bool: the pitch classes that sound, away from attacks and releases."""
    sounding = np.zeros((12, times.size), bool)
    for onset, offset, pitch, _, program in clip.score.notes:
        if program != PERCUSSION:
            sounding[int(pitch) % 12, (times > onset + 0.05) & (times < offset - 0.02)] = True
    return sounding


def melody_hz(clip, times):
    """[t] the fundamental where exactly one pitched note sounds, else 0."""
    hz, voices = np.zeros(times.size), np.zeros(times.size, int)
    for onset, offset, pitch, _, program in clip.score.notes:
        now = (times >= onset) & (times < offset)
        voices += now
        hz[now] = 440.0 * 2.0 ** ((pitch - 69) / 12) if program != PERCUSSION else 0.0
    return np.where(voices == 1, hz, 0.0)


@pytest.mark.parametrize("name, least", [("chroma_stft", 0.8), ("chroma_cqt", 0.88)])
def test_the_strongest_pitch_class_is_played(clips, waves, times, name, least):
    window = {"n_fft": 2048} if name == "chroma_stft" else {}
    chroma = np.nan_to_num(feature(name, waves, **SETTINGS, **window))
    hits = []
    for values, clip in zip(chroma, clips, strict=True):
        sounding = played_classes(clip, times)
        some = sounding.any(axis=0)
        hits.append(sounding[values.argmax(axis=0), np.arange(times.size)][some].mean())
    assert np.mean(hits) > least


def test_onsets_are_note_onsets(clips, waves):
    found = np.asarray(feature("onsets", waves, n_fft=512, **SETTINGS))[:, 0]
    scores = {"actjax": [], "librosa": []}
    for frames, wave, clip in zip(found, waves, clips, strict=True):
        onsets = np.unique(np.round(clip.score.notes[:, 0], 2))
        onsets = onsets[(onsets > 0.03) & (onsets < wave.size / RATE - 0.06)]
        envelope = librosa.onset.onset_strength(y=wave, sr=RATE, n_fft=512, hop_length=HOP)
        theirs = librosa.onset.onset_detect(onset_envelope=envelope, sr=RATE, hop_length=HOP, units="time")
        ours = np.flatnonzero(frames) * HOP / RATE
        for name, estimate in (("actjax", ours), ("librosa", theirs)):
            scores[name].append(mir_eval.onset.f_measure(onsets, estimate, window=0.05)[0])
    assert np.mean(scores["actjax"]) > 0.6
    assert np.mean(scores["actjax"]) > np.mean(scores["librosa"]) - 0.01


def test_f0_is_the_melody(clips, waves, times):
    truth = np.stack([melody_hz(clip, times) for clip in clips])
    solos = np.flatnonzero((truth > 0).mean(axis=1) > 0.5)
    assert solos.size >= 5
    found = np.asarray(feature("f0_yin", waves, voicing=1e6, **SETTINGS))[:, 0]
    scores = {"actjax": [], "librosa": []}
    for i in solos:
        theirs = librosa.yin(waves[i], sr=RATE, fmin=65.4, fmax=2093, frame_length=2048, hop_length=HOP)
        for name, estimate in (("actjax", np.nan_to_num(found[i])), ("librosa", theirs)):
            scores[name].append(raw_pitch_accuracy(truth[i], estimate))
    assert np.mean(scores["actjax"]) > 0.5
    assert np.mean(scores["actjax"]) > np.mean(scores["librosa"]) - 0.01


def raw_pitch_accuracy(truth_hz, estimate_hz):
    truth_hz, voicing = mir_eval.melody.freq_to_voicing(truth_hz)
    estimate_hz, estimate_voicing = mir_eval.melody.freq_to_voicing(estimate_hz)
    cents = [mir_eval.melody.hz2cents(hz) for hz in (truth_hz, estimate_hz)]
    return mir_eval.melody.raw_pitch_accuracy(voicing, cents[0], estimate_voicing, cents[1])


def test_tempo_of_a_band_is_that_of_the_score():
    band = CLASS_NAMES.index("rockBandPerformance")
    played = [gm_instruments.clip(band + 12 * i, clip_seconds=8.0) for i in range(8)]
    waves = np.stack([np.asarray(clip.audio, np.float32) for clip in played])
    found = np.asarray(feature("tempo", waves, n_fft=512, **SETTINGS))[:, 0, 0]
    ratios = found / np.array([clip.score.tempo_bpm for clip in played])
    assert np.mean(np.abs(ratios - 1) < 0.04) >= 0.5
    for wave, bpm in zip(waves[:3], found, strict=False):
        envelope = librosa.onset.onset_strength(y=wave, sr=RATE, n_fft=512, hop_length=HOP)
        theirs = librosa.feature.tempo(onset_envelope=envelope, sr=RATE, hop_length=HOP)
        np.testing.assert_allclose(bpm, theirs[0], rtol=1e-4)


@pytest.mark.parametrize("name, options", [("loudness_a_weighted", {"n_fft": 512}), ("loudness_bs1770", {})])
def test_loudness_follows_the_gain(name, options):
    for gain_db in (-12.0, 6.0):
        louder = gm_instruments.clip(3, intervention=gm_instruments.Intervention(gain_db=gain_db))
        before, after = (
            np.asarray(feature(name, np.asarray(clip.audio, np.float32), **SETTINGS, **options))
            for clip in (gm_instruments.clip(3), louder)
        )
        np.testing.assert_allclose(after - before, gain_db, atol=0.05)


def test_parity_on_rendered_instruments(waves):
    wave = waves[0]
    options = {"n_fft": 512, **SETTINGS}
    mel = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=512, hop_length=HOP)
    assert relative_error(feature("mel", wave, **options), mel) < 1e-4
    chroma = librosa.feature.chroma_stft(y=wave, sr=RATE, n_fft=2048, hop_length=HOP)
    assert relative_error(feature("chroma_stft", wave, n_fft=2048, **SETTINGS), chroma) < 1e-4
    envelope = librosa.onset.onset_strength(y=wave, sr=RATE, n_fft=512, hop_length=HOP)
    assert relative_error(feature("onset_strength", wave, **options)[0], envelope) < 1e-3
