"""gm_instruments: the same clips every time, as true as they say, and splits that share nothing."""

import json
import sys

import numpy as np
import pytest

from actjax.data import loader
from actjax.data.build import records
from actjax.data.build.index import builder_skipped
from actjax.data.gm import render
from actjax.data.gm import scene as gm_scene
from actjax.data.gm import score as gm_score
from actjax.datasets import gm_instruments
from actjax.datasets.gm_instruments import DRUMS, Intervention

SEED = 1907


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    made = gm_instruments.dataset(config="tiny", clip_seconds=1.5, data_dir=tmp_path_factory.mktemp("tfds"))
    made.download_and_prepare()
    return made


def test_the_prepared_files_need_no_tensorflow(builder):
    assert "tensorflow" not in sys.modules
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": 24,
        "validation": 12,
        "test": 12,
    }
    assert builder_skipped(builder) == []
    assert not list(builder.data_path.parent.parent.glob(".shards*"))


def test_every_class_is_in_every_split_equally_often(builder):
    for split in gm_score.SPLITS:
        assert len(set(np.bincount(loader.open_source(builder, split).labels, minlength=12))) == 1


def test_a_second_prepare_makes_nothing_anew(builder, capfd):
    before = (builder.data_path / "index_test.npz").stat()
    builder.download_and_prepare()
    assert (builder.data_path / "index_test.npz").stat() == before
    assert capfd.readouterr() == ("", "")


def test_records_agree_with_a_rendering_of_the_same_clip(builder):
    source = loader.open_source(builder, "test")
    for place in (0, 7):
        example = source[place]
        rendered = gm_instruments.intervene(example["clip_id"], Intervention(), clip_seconds=1.5)
        np.testing.assert_allclose(example["audio"] / 32767.0, rendered.audio, atol=0.51 / 32767.0)
        count = example["note_count"]
        np.testing.assert_array_equal(example["notes"][:count], rendered.score.notes.astype(np.float32))
        assert not example["notes"][count:].any()
        assert example["snr_db"] == np.float32(rendered.scene.snr_db)
        assert example["clip_id"] == source.clip_ids[place]


def test_worker_processes_render_the_same_bytes(builder, tmp_path):
    other = gm_instruments.dataset(config="tiny", clip_seconds=1.5, data_dir=tmp_path, clips=24, workers=2)
    other.shard_size = 6
    other.download_and_prepare()
    here = loader.open_source(builder, "train")
    for place, clip_id in enumerate(loader.open_source(other, "train").clip_ids):
        np.testing.assert_array_equal(
            loader.open_source(other, "train")[place]["audio"], here[here.clip_ids.index(clip_id)]["audio"]
        )


def test_a_split_in_several_files_keeps_its_order(builder, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FILE_BYTES", 150_000)
    other = gm_instruments.dataset(config="tiny", clip_seconds=1.5, data_dir=tmp_path)
    other.download_and_prepare()
    source, expected = loader.open_source(other, "train"), loader.open_source(builder, "train")
    assert len(other.info.splits["train"].shard_lengths) == 8
    assert [source[i]["clip_id"] for i in range(24)] == source.clip_ids == expected.clip_ids
    assert source.fingerprint == expected.fingerprint


def test_splits_share_no_phrase():
    phrases = {split: set() for split in gm_score.SPLITS}
    for index in range(240):
        score = gm_score.write_score(SEED, index, clip_seconds=3.0)
        phrases[score.split].add(score.phrase)
    assert not phrases["train"] & phrases["test"]
    assert not phrases["train"] & phrases["validation"]
    assert not phrases["test"] & phrases["validation"]
    # By construction, not by luck: a split's phrases hash into the split's own part.
    assert all(gm_score._owner(p) == split for split, owned in phrases.items() for p in owned)


def test_tempo_gain_and_transposition_do_not_depend_on_the_class():
    clips = [(i, gm_score.write_score(SEED, i, clip_seconds=1.0)) for i in range(480)]
    label = np.array([score.label for _, score in clips])
    for value in (
        [np.log(score.tempo_bpm) for _, score in clips],
        [score.transpose for _, score in clips],
        [gm_scene.draw_scene(SEED, i, 12_000).gain_db for i, _ in clips],
    ):
        value = np.asarray(value, float)
        between = sum((label == c).sum() * (value[label == c].mean() - value.mean()) ** 2 for c in range(12))
        # Eta squared of 12 groups of 40 is 11 / 479 = 0.023 by chance; 0.07 is above its 99.9 %.
        assert between / ((value - value.mean()) ** 2).sum() < 0.07


def test_held_out_programs_are_heard_in_the_test_split_alone():
    played = {split: {} for split in gm_score.SPLITS}
    for index in range(480):
        score = gm_score.write_score(SEED, index, clip_seconds=0.5, holdout_programs=True)
        played[score.split].setdefault(score.label, set()).update(score.programs)
    for label, name in enumerate(gm_score.CLASS_NAMES):
        if len(gm_score.LINEUPS[name][0]) > 1 or name in ("celloPerformance", "harmonicaPerformance"):
            continue  # ensembles hold programs out player by player; the two have one program only
        known = played["train"][label] | played["validation"][label]
        assert not played["test"][label] & known, name


def test_ensembles_hold_out_programs_player_by_player():
    lineup = gm_score.LINEUPS["rockBandPerformance"][0]
    rng = np.random.default_rng(0)
    assert {gm_score._draw_program(rng, lineup[2], "test", True) for _ in range(20)} == {30}
    assert {gm_score._draw_program(rng, lineup[2], "train", True) for _ in range(20)} == {29}


def dry(notes, seconds=2.0, hz=12_000):
    """The sound of notes without room, noise or band limits."""
    players = np.zeros(len(notes), int)
    return render._synthesise(
        render.midi_file(np.asarray(notes, float), players, 0.0, seconds), int(seconds * hz), hz
    )


@pytest.mark.parametrize("onset", [0.25, 0.6137])
def test_a_note_begins_when_its_truth_says(onset):
    wave = dry([[onset, onset + 0.5, 69, 110, 0]])
    loud = np.flatnonzero(np.abs(wave) > 0.05 * np.abs(wave).max())[0] / 12_000
    assert abs(loud - onset) < 0.010


@pytest.mark.parametrize("program", [21, 22, 42, 64, 56, 40, 73])
@pytest.mark.parametrize("pitch", [62, 69])
def test_a_note_has_the_pitch_its_truth_says(program, pitch):
    wave = dry([[0.0, 1.9, pitch, 100, program]])
    # The period is the first peak of the autocorrelation that is about as high as the highest.
    spectrum = np.abs(np.fft.rfft(wave[4000:16000] * np.hanning(12_000), 1 << 17)) ** 2
    correlation = np.fft.irfft(spectrum)[: 12_000 // 80]
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    period = peaks[correlation[peaks] > 0.85 * correlation[peaks].max()][0]
    before, here, after = correlation[period - 1 : period + 2]
    period = period + 0.5 * (before - after) / (before - 2 * here + after)
    assert abs(12 * np.log2(12_000 / period / (440.0 * 2 ** ((pitch - 69) / 12)))) < 0.35


def test_rendered_onsets_are_where_the_notes_are():
    """Of solo pianos, an onset envelope made here is higher at the true onsets than elsewhere."""
    higher = []
    for index in range(6, 12 * 12, 12):
        clip = gm_instruments.clip(index, seed=SEED)
        if clip.scene.snr_db < 15 or clip.scene.clipping_db:
            continue
        frames = np.lib.stride_tricks.sliding_window_view(clip.audio, 512)[::128]
        level = np.log(np.abs(np.fft.rfft(frames * np.hanning(512))) + 1e-3)
        flux = np.maximum(np.diff(level, axis=0), 0).sum(axis=1)
        time = (np.arange(len(flux)) * 128 + 256 + 64) / 12_000
        distance = np.abs(time[:, None] - clip.score.notes[None, :, 0]).min(axis=1)
        at, away = flux[distance < 0.02], flux[distance > 0.08]
        higher.append((at[:, None] > away[None, :]).mean())
    assert len(higher) >= 4
    assert np.mean(higher) > 0.85


def test_the_signal_to_noise_ratio_is_the_one_stated():
    scene = gm_scene.draw_scene(SEED, 3, 12_000)
    noise = gm_scene.noise(SEED, 3, scene, 36_000, 12_000)
    assert np.mean(noise**2) == pytest.approx(1.0, rel=1e-9)
    response = gm_scene.room_response(SEED, 3, scene, 12_000)
    wet = np.sum(response[1:] ** 2) / response[0] ** 2
    assert 10 * np.log10(wet) == pytest.approx(scene.wet_db, abs=1e-6)


def test_band_limits_attenuate_by_three_decibels_where_they_say():
    impulse = np.zeros(12_000)
    impulse[6000] = 1.0
    gain = np.abs(np.fft.rfft(gm_scene.shape_spectrum(impulse, 12_000, highpass_hz=100.0, lowpass_hz=3000.0)))
    np.testing.assert_allclose(20 * np.log10(gain[[100, 3000]]), -3.01, atol=0.1)
    tilted = np.abs(np.fft.rfft(gm_scene.shape_spectrum(impulse, 12_000, tilt_db_per_octave=2.0)))
    np.testing.assert_allclose(20 * np.log10(tilted[[500, 1000, 4000]]), [-2.0, 0.0, 4.0], atol=0.05)


ROCK, VIOLIN = 7, 11


def test_gain_scales_the_whole_recording():
    base = gm_instruments.clip(ROCK, seed=SEED).audio
    louder = gm_instruments.clip(ROCK, seed=SEED, intervention=Intervention(gain_db=6.0)).audio
    np.testing.assert_allclose(louder, base * 10 ** (6 / 20), rtol=1e-5, atol=1e-7)


def test_the_unchanged_clip_is_rendered_once_for_all_interventions(monkeypatch):
    from actjax.data.gm import render

    played, play = [], render._play
    monkeypatch.setattr(render, "_play", lambda *a, **options: played.append(1) or play(*a, **options))
    render._unchanged.cache_clear()
    for ratio in (1.5, 1.2):
        gm_instruments.clip(VIOLIN, seed=SEED, intervention=Intervention(tempo_ratio=ratio))
    assert len(played) == 3
    gm_instruments.clip(VIOLIN, seed=SEED + 1, intervention=Intervention(tempo_ratio=1.2))
    assert len(played) == 5


def test_transposition_and_tempo_change_the_notes_alone():
    base = gm_instruments.clip(VIOLIN, seed=SEED)
    for change in (Intervention(transpose_semitones=3), Intervention(tempo_ratio=1.5)):
        other = gm_instruments.clip(VIOLIN, seed=SEED, intervention=change)
        assert other.scene == base.scene
        assert other.score.phrase == base.score.phrase
        assert other.score.programs == base.score.programs
        assert not np.allclose(other.audio, base.audio, atol=1e-3)
    faster = other.score
    assert faster.tempo_bpm == pytest.approx(1.5 * base.score.tempo_bpm)
    up = gm_instruments.clip(VIOLIN, seed=SEED, intervention=Intervention(transpose_semitones=3)).score
    np.testing.assert_array_equal(up.notes[:, 2], base.score.notes[:, 2] + 3)
    np.testing.assert_array_equal(up.notes[:, [0, 1, 3, 4]], base.score.notes[:, [0, 1, 3, 4]])


def test_the_percussion_level_changes_the_percussion_alone():
    """Clips are linear where they do not clip: base to +6 dB is (2 - 1) times the percussion."""
    index = next(i for i in range(ROCK, 480, 12) if not gm_scene.draw_scene(SEED, i, 12_000).clipping_db)
    audio = {
        db: gm_instruments.clip(index, seed=SEED, intervention=Intervention(percussion_db=db)).audio.astype(
            float
        )
        for db in (-6.0, 0.0, 6.0)
    }
    gains = {db: 10 ** (db / 20) for db in audio}
    low = (audio[0.0] - audio[-6.0]) / (gains[0.0] - gains[-6.0])
    high = (audio[6.0] - audio[0.0]) / (gains[6.0] - gains[0.0])
    np.testing.assert_allclose(low, high, atol=1e-5)
    assert np.sqrt(np.mean(low**2)) > 0.05 * np.sqrt(np.mean(audio[0.0] ** 2))
    solo = gm_instruments.clip(VIOLIN, seed=SEED, intervention=Intervention(percussion_db=6.0)).audio
    np.testing.assert_array_equal(solo, gm_instruments.clip(VIOLIN, seed=SEED).audio)


def test_brightness_raises_the_centroid():
    base, brighter = (
        gm_instruments.clip(VIOLIN, seed=SEED, intervention=Intervention(brightness_db_per_octave=db))
        for db in (0, 3)
    )
    power = [np.abs(np.fft.rfft(c.audio)) ** 2 for c in (base, brighter)]
    centroid = [np.sum(p * np.arange(len(p))) / p.sum() for p in power]
    assert centroid[1] > centroid[0] * 1.05
    assert brighter.scene.tilt_db_per_octave == pytest.approx(base.scene.tilt_db_per_octave + 3)


def test_notes_fit_the_clip_and_the_instrument():
    for index in range(240):
        score = gm_score.write_score(SEED, index, clip_seconds=3.0)
        onset, offset, pitch, velocity, program = score.notes.T
        assert len(onset) and (onset < 3.0).all() and (offset > 0).all() and (offset > onset).all()
        assert ((pitch >= 0) & (pitch <= 127) & (velocity >= 1) & (velocity <= 127)).all()
        assert (program == DRUMS).any() == (score.label == ROCK)


def test_bad_options_are_refused_by_name():
    with pytest.raises(ValueError, match="has the configs tiny, small, full; got 'smal'"):
        gm_instruments.dataset(config="smal")
    with pytest.raises(ValueError, match="sample_rate_hz must be positive, got 0"):
        gm_instruments.dataset(sample_rate_hz=0)
    with pytest.raises(ValueError, match="tempo_ratio must be"):
        gm_instruments.clip(0, intervention=Intervention(tempo_ratio=9.0))


def test_skipped_is_valid_json(builder):
    assert json.loads((builder.data_path / "skipped.json").read_text()) == []
