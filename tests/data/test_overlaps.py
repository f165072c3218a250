"""Cuts of one recording are told by their sound; loops, silence, tones and equal clips are none."""

import json

import numpy as np
import pytest
from dataset_trees import write

from actjax import lookup, runs
from actjax.data.build import overlaps
from actjax.data.recordings import prints
from actjax.data.recordings.prints import Prints
from actjax.defaults import default_config
from actjax.stages import data

RATE = 22_050


def noise(seconds, seed):
    rng = np.random.default_rng(seed)
    swell = 0.2 + 0.1 * np.sin(np.arange(round(seconds * RATE)) / 3000)
    return rng.normal(size=len(swell)) * swell / 3


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What is found in a folder of two cuts, and of much that only looks like cuts."""
    folder = tmp_path_factory.mktemp("overlaps")
    whole, drum = noise(8, 0), noise(0.4, 1) * np.exp(-np.arange(round(0.4 * RATE)) / 1500)
    loop = np.tile(np.r_[drum, np.zeros(RATE // 10)], 8)
    snare = noise(0.4, 15) * np.exp(-np.arange(round(0.4 * RATE)) / 1500)
    tone = 0.3 * np.sin(2 * np.pi * 441 * np.arange(3 * RATE) / RATE)
    sounds = {
        "a/morning": whole[: 4 * RATE],
        "a/evening": whole[round(2.3217 * RATE) : 6 * RATE],
        "a/other": noise(4, 2),
        "a/loop": loop * 0.9,
        "b/loop over noise": noise(len(loop) / RATE + 0.5, 3)[: len(loop)] * 0.01 + loop * 0.9,
        "b/one hit": np.r_[noise(2, 4), drum * 0.9, noise(1, 5)],
        "b/another hit": np.r_[noise(1, 6), drum * 0.9, noise(2, 7)],
        "a/two hits": np.r_[noise(1, 11), drum, noise(0.7, 12), snare],
        "b/the same two hits": np.r_[noise(0.5, 13), drum, noise(0.7, 14), snare],
        "b/tone": tone,
        "b/longer tone": np.r_[tone, tone[: RATE // 2]],
        "b/silent end": np.r_[noise(1, 8), np.zeros(3 * RATE)],
        "a/silent start": np.r_[np.zeros(3 * RATE), noise(1, 9)],
        "a/synth": noise(3, 10),
        "b/synth again": noise(3, 10),
        "a/loop again": np.r_[loop, loop] * 0.9,
    }
    for name, wave in sounds.items():
        write(folder / "sounds" / f"{name}.wav", wave, RATE)
    builder = lookup.load(
        "dataset",
        "audio_folder",
        path=str(folder / "sounds"),
        data_dir=str(folder / "data"),
        sample_rate_hz=8_000,
        clip_seconds=2.0,
        workers=1,
    )
    builder.download_and_prepare()
    return overlaps.read(builder.data_path), folder


def test_only_cuts_are_found(found):
    [pair], *_ = found
    assert {pair.first, pair.second} == {"a/morning.wav", "a/evening.wav"}
    assert 1.3 < pair.seconds <= 4 - 2.3217
    said = overlaps.said([pair])
    assert "morning.wav" in said and "1 such pair" in said and "\n" not in said
    assert overlaps.said([]) is None


def test_every_run_on_the_set_says_so(found, tmp_path, capsys):
    *_, folder = found
    config = default_config()
    config.data.name = f"audio_folder(path={str(folder / 'sounds')!r})"
    config.data.sample_rate_hz, config.data.clip_seconds = 8_000, 2.0
    data.stage.run(runs.open_run(config, tmp_path / "run", data_dir=str(folder / "data")))
    said = capsys.readouterr().out
    assert (
        "data: note: a/evening.wav and a/morning.wav hold 1." in said or "data: note: a/morning.wav" in said
    )


def test_a_stretch_has_the_same_prints_wherever_it_begins():
    whole = noise(8, 0).astype(np.float32)

    def of(wave, block):
        one = Prints(RATE)
        for start in range(0, len(wave), block):
            one.add(wave[start : start + block])
        assert one.samples == len(wave)
        return one

    first, second = of(whole, 2**20), of(whole[777:], 1001)
    inside = first._places >= 777
    assert inside.sum() > 100
    np.testing.assert_array_equal(first._hashes[inside], second._hashes)
    np.testing.assert_array_equal(first._places[inside], second._places + 777)
    table = first.of_clips(2, 16)
    assert table.shape == (2, 17, 2) and table[:, 0].tolist() == [[len(whole), RATE]] * 2
    assert (np.diff(table[:, 1:, 0].ravel().astype(float)) > 0).all()


def test_of_too_many_prints_two_recordings_keep_the_same(monkeypatch):
    monkeypatch.setattr(prints, "MOST", 20)
    whole = noise(8, 0).astype(np.float32)
    kept = []
    for wave in (whole, whole[4000:]):
        one = Prints(RATE)
        one.add(wave)
        assert len(one._hashes) <= 40
        kept.append(set(one._hashes.tolist()))
    assert len(kept[0] & kept[1]) >= 10


def test_the_prints_of_many_clips_stay_within_bounds(monkeypatch, tmp_path):
    """Those of the smallest hashes stay, of all recordings alike."""
    monkeypatch.setattr(overlaps, "MOST_PRINTS", 300)
    whole, tables = noise(20, 0).astype(np.float32), []
    for start in range(0, 16):
        one = Prints(RATE)
        one.add(whole[start * RATE : (start + 4) * RATE])
        tables.append(one.of_clips(1, 60))
    ids = np.asarray([f"r{i}" for i in range(16)])
    path = tmp_path / "test-0.npz"
    np.savez(
        path,
        recording_id=ids,
        prints=np.concatenate(tables),
        __skipped__=np.array("[]"),
        __parts__=np.array(0),
    )
    pairs = {(one.first, one.second) for one in overlaps.find({"test": [path]})}
    assert pairs and all(abs(int(a[1:]) - int(b[1:])) < 4 for a, b in pairs)
    forged = np.concatenate(tables)
    forged[0, 0] = 2**64 - 1, 0
    for prints_of in (np.zeros(3), forged, forged[:, :0], np.zeros((16, 3, 2), np.uint64)):
        np.savez(path, recording_id=ids, prints=prints_of, __skipped__=np.array("[]"), __parts__=np.array(0))
        with pytest.raises(ValueError, match="is damaged; delete it"):
            overlaps.find({"test": [path]})
    np.savez(path, recording_id=ids, __skipped__=np.array("[]"), __parts__=np.array(0))
    assert overlaps.find({"test": [path]}) == []


@pytest.mark.parametrize(
    "entry", [3, {"first": "a"}, {"first": "a", "second": "b", "splits": ["x"], "seconds": 1}]
)
def test_a_damaged_list_is_named(tmp_path, entry):
    (tmp_path / overlaps.NAME).write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match=overlaps.NAME):
        overlaps.read(tmp_path)
