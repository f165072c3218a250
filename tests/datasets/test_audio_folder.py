"""Folders and manifests of audio: what comes out, what is left out, what is refused."""

import json
import stat
import threading

import numpy as np
import pytest
import scipy.signal
import soundfile
from dataset_trees import tone, write

from actjax.data import loader
from actjax.data.build import preparing
from actjax.data.build.shards import BadAudio
from actjax.data.recordings import decode
from actjax.data.recordings import sound as recordings_sound
from actjax.datasets import audio_folder
from actjax.workdir import lock

OPTIONS = {"clip_seconds": 1.0, "sample_rate_hz": 8_000, "workers": 1}


def prepare(tmp_path, **options):
    builder = audio_folder.dataset(data_dir=tmp_path / "tfds", **{**OPTIONS, **options})
    builder.download_and_prepare()
    return builder


def all_clips(builder):
    return {c: s for s in builder.info.splits for c in loader.open_source(builder, s).clip_ids}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "audio"
    for label, hz in (("flute", 880), ("cello", 110)):
        for i in range(20):
            write(root / label / f"{i:02d}.wav", tone(hz=hz))
    return root


def test_a_folder_becomes_clips_with_labels_and_splits(folder, tmp_path):
    builder = prepare(tmp_path, path=folder)
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {
        "train": 28,
        "validation": 6,
        "test": 6,
    }
    source = loader.open_source(builder, "test")
    assert source.class_names == ("cello", "flute") and np.bincount(source.labels).tolist() == [3, 3]
    for i, clip_id in enumerate(source.clip_ids):
        spectrum = np.abs(np.fft.rfft(source[i]["audio"].astype(float)))
        assert np.argmax(spectrum) == (880 if clip_id.startswith("flute") else 110)
    again = audio_folder.dataset(data_dir=tmp_path / "tfds", path=folder, **OPTIONS)
    assert loader.open_source(again, "test").fingerprint == source.fingerprint


def test_a_run_waits_for_another_that_prepares_the_same_data(folder, tmp_path, capfd):
    waiting = audio_folder.dataset(data_dir=tmp_path / "tfds", path=folder, **OPTIONS)
    late = audio_folder.dataset(data_dir=tmp_path / "tfds", path=folder, **OPTIONS)
    dead = waiting.data_path.parent / f"incomplete.ABC123_{waiting.version}"
    dead.mkdir(parents=True)
    taken, end = threading.Event(), threading.Event()

    def other_run():
        with lock.held(preparing.beside(waiting, "lock"), "it", "wait"):
            taken.set()
            end.wait(60)
            assert not waiting.data_path.exists()

    thread = threading.Thread(target=other_run)
    thread.start()
    assert taken.wait(10)
    threading.Timer(0.3, end.set).start()
    waiting.download_and_prepare()
    thread.join()
    said = capfd.readouterr().err
    assert said.count("is in use by process") == 1 and "waiting for it" in said
    assert not dead.exists() and not list((tmp_path / "tfds").rglob(".lock*"))
    # One that was opened before the data were there finds them now.
    late.download_and_prepare()
    assert len(loader.open_source(late, "train")) == 28


def test_bad_files_are_named_counted_and_left_out(folder, tmp_path, capfd):
    (folder / "flute" / "empty.wav").write_bytes(b"")
    (folder / "flute" / "noise.wav").write_bytes(b"this is no audio at all" * 40)
    write(folder / "flute" / "header.wav", np.zeros(0))
    write(folder / "flute" / "short.wav", tone(0.2))
    write(folder / "flute" / "silent.wav", np.zeros(16_000))
    broken = tone()
    broken[100] = np.nan
    write(folder / "flute" / "nan.wav", broken, subtype="FLOAT")
    builder = prepare(tmp_path, path=folder)
    skipped = {entry["item"].rsplit("/", 1)[1]: entry["reason"] for entry in loader.builder_skipped(builder)}
    assert skipped.pop("noise.wav").startswith("cannot be decoded")
    assert skipped == {
        "empty.wav": "empty",
        "header.wav": "holds no samples",
        "short.wav": "too short: 0.200 s, expected at least 0.5 s",
        "silent.wav": "silent: it stays within -80 dB of full scale of one value",
        "nan.wav": "holds NaN or infinite samples",
    }
    assert "left out 6 of 46 items" in capfd.readouterr().err
    assert len(all_clips(builder)) == 40


def test_nothing_but_bad_files_is_an_error_and_leaves_nothing(tmp_path):
    write(tmp_path / "audio" / "a" / "x.wav", np.zeros(16_000))
    with pytest.raises(ValueError, match=r"none of 1 items can be used \(.*x.wav: silent: it stays"):
        prepare(tmp_path, path=tmp_path / "audio")
    assert not list((tmp_path / "tfds").rglob("dataset_info.json"))


def test_a_class_that_loses_all_its_files_is_said(folder, tmp_path, capfd):
    write(folder / "oboe" / "x.wav", np.zeros(16_000))
    prepare(tmp_path, path=folder)
    assert "no usable recording is left of class oboe" in capfd.readouterr().err


def test_worker_processes_make_the_same_clips(folder, tmp_path):
    one = prepare(tmp_path / "one", path=folder)
    two = prepare(tmp_path / "two", path=folder, workers=2)
    assert loader.open_source(one, "train").fingerprint == loader.open_source(two, "train").fingerprint


def test_unlabelled_files_can_be_scored(tmp_path):
    for i in range(3):
        write(tmp_path / "audio" / f"{i}.wav")
    builder = prepare(tmp_path, path=tmp_path / "audio")
    assert all_clips(builder) == {"0.wav": "test", "1.wav": "test", "2.wav": "test"}


def test_a_csv_manifest_gives_stretches_labels_and_splits(tmp_path):
    write(tmp_path / "m" / "long.wav", np.concatenate([tone(2.0, 300), tone(1.0, 500), tone(1.0, 700)]))
    write(tmp_path / "m" / "b.flac")
    (tmp_path / "m" / "list.csv").write_text(
        "path,labels,recording_id,split,start,end\nlong.wav,a;b,r1,train,2,3\nlong.wav,a,r1,train,3,\nb.flac,c,,test,,\n"
    )
    builder = prepare(tmp_path, manifest=tmp_path / "m" / "list.csv")
    assert all_clips(builder) == {"long.wav@2": "train", "long.wav@3": "train", "b.flac": "test"}
    source = loader.open_source(builder, "train")
    assert (
        source.multi_label and source.class_names == ("a", "b", "c") and source.recording_ids == ["r1", "r1"]
    )
    np.testing.assert_array_equal(source.labels, [[1, 1, 0], [1, 0, 0]])
    peaks = [np.argmax(np.abs(np.fft.rfft(source[i]["audio"].astype(float)))) for i in range(2)]
    assert peaks == [500, 700]


def test_a_jsonl_manifest_gives_the_same(tmp_path):
    write(tmp_path / "m" / "x.wav")
    rows = [{"path": "x.wav", "label": "a", "split": "train", "end": 0.8}]
    (tmp_path / "m" / "list.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    source = loader.open_source(prepare(tmp_path, manifest=tmp_path / "m" / "list.jsonl"), "train")
    assert not source[0]["audio"][6400:].any() and source[0]["audio"][:6300].any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\n../x.wav,a\n", "list.csv: line 2: the path ../x.wav leaves the folder"),
        ("path,label\n/etc/x.wav,a\n", "leaves the folder"),
        ("path,label,color\nx.wav,a,red\n", "expected the columns .* got path, label, color"),
        ("file,label\nx.wav,a\n", "expected the columns"),
        ("path,label,start\nx.wav,a,soon\n", "line 2: expected start in seconds, at least 0, got 'soon'"),
        ("path,label,start,end\nx.wav,a,3,2\n", "expected 0 <= start < end; got start 3, end 2"),
        (
            "path,label,split\nx.wav,a,train\ny.wav,a,\n",
            "a split in every row or in none; 1 do not fit, the first: y",
        ),
        ("path,label\nx.wav,a\nx.wav,a\n", "line 3 repeats line 2: the same stretch of x.wav"),
        (
            "path,label,recording_id,split\nx.wav,a,r,train\ny.wav,a,r,test\n",
            "recording 'r' stands in the splits",
        ),
        ("path,label\n", "has no rows"),
    ],
)
def test_a_bad_manifest_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        audio_folder.dataset(manifest=tmp_path / "list.csv", **OPTIONS)
    assert "\n" not in str(error.value)


def test_a_bad_jsonl_line_is_refused(tmp_path):
    (tmp_path / "list.jsonl").write_text('{"path": "x.wav"\n')
    with pytest.raises(ValueError, match="list.jsonl: cannot be read as JSON in line 1"):
        audio_folder.dataset(manifest=tmp_path / "list.jsonl", **OPTIONS)
    (tmp_path / "list.jsonl").write_text('["x.wav"]\n')
    with pytest.raises(ValueError, match="line 1: expected an object"):
        audio_folder.dataset(manifest=tmp_path / "list.jsonl", **OPTIONS)


def test_bad_folders_are_refused_in_one_line(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere; put there audio"):
        audio_folder.dataset(path=tmp_path / "nowhere", **OPTIONS)
    with pytest.raises(ValueError, match="give path="):
        audio_folder.dataset(**OPTIONS)
    with pytest.raises(ValueError, match="label 'flute' is outside the class list cello, oboe"):
        audio_folder.dataset(path=folder, classes="cello, oboe", **OPTIONS)
    with pytest.raises(ValueError, match="no recordings of class oboe"):
        audio_folder.dataset(path=folder, classes=["cello", "flute", "oboe"], **OPTIONS)
    with pytest.raises(ValueError, match="cut must be one of consecutive, .*; got 'random'"):
        audio_folder.dataset(path=folder, **{**OPTIONS, "cut": "random"})
    (folder / "oboe").mkdir()
    with pytest.raises(ValueError, match="class 'oboe' is empty"):
        audio_folder.dataset(path=folder, **OPTIONS)
    (folder / "oboe").rmdir()
    write(folder / "loose.wav")
    with pytest.raises(ValueError, match=r"1 do not fit, the first: .*loose\.wav"):
        audio_folder.dataset(path=folder, **OPTIONS)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds no audio"):
        audio_folder.dataset(path=tmp_path / "none", **OPTIONS)


def test_a_changed_file_makes_a_new_data_set(folder, tmp_path):
    first = prepare(tmp_path, path=folder)
    write(folder / "flute" / "00.wav", tone(1.0, 990))
    second = audio_folder.dataset(data_dir=tmp_path / "tfds", path=folder, **OPTIONS)
    assert first.data_dir != second.data_dir


@pytest.mark.parametrize(
    ("rule", "count"), [("consecutive", 3), ("first", 1), ("centre", 1), ("ten_tenths", 1)]
)
def test_cutting_rules(rule, count):
    wave = np.arange(1, 261, dtype=np.float32)
    clips = decode.cut(wave, 100, rule)
    assert len(clips) == count and all(len(clip) == 100 for clip in clips[:-1])
    expected = {
        "consecutive": np.arange(201, 261),
        "first": np.arange(1, 101),
        "centre": np.arange(81, 181),
        # Ten tenths of 26 samples, the middle 10 of each: 8 samples in.
        "ten_tenths": np.concatenate([np.arange(26 * i + 9, 26 * i + 19) for i in range(10)]),
    }
    np.testing.assert_array_equal(clips[-1], expected[rule])
    assert len(decode.cut(wave[:240], 100, "consecutive")) == 2
    short = decode.cut(wave[:30], 100, rule)
    np.testing.assert_array_equal(short[0], wave[:30])


def test_decoding_agrees_with_scipy(tmp_path):
    stereo = np.stack([tone(2.0, 440, 44_100), tone(2.0, 1000, 44_100)], axis=1)
    path = write(tmp_path / "x.flac", stereo, 44_100)
    expected = scipy.signal.resample_poly(stereo.mean(axis=1), 40, 147, window=("kaiser", 12.0))
    wave = decode.load(str(path), 12_000)
    assert wave.dtype == np.float32 and len(wave) == 24_000
    np.testing.assert_allclose(wave[500:-500], expected[500:-500], atol=2e-4)
    part = decode.load(str(path), 44_100, 0.5, 1.0)
    np.testing.assert_allclose(part, stereo[22_050:44_100].mean(axis=1), atol=1e-4)


def test_long_files_are_decoded_in_blocks_to_the_same_sound(tmp_path, monkeypatch):
    path = write(tmp_path / "x.wav", np.random.default_rng(0).normal(size=(48_000, 2)) * 0.1)
    whole = decode.load(str(path), 12_000)
    monkeypatch.setattr(recordings_sound, "BLOCK", 5_000)
    monkeypatch.setattr(recordings_sound, "HELD", 20_000)
    sound = recordings_sound.open_sound(str(path), 12_000)
    assert sound.samples == len(whole) and len(list(sound.blocks())) > 10
    np.testing.assert_allclose(decode.load(str(path), 12_000), whole, atol=1e-6)


def test_what_soundfile_cannot_read_goes_to_ffmpeg(tmp_path, monkeypatch):
    """A stand-in for ffmpeg that checks its input and gives the samples asked for."""
    video = tmp_path / "-odd name.webm"
    video.write_bytes(b"\x1aE\xdf\xa3 not known to soundfile")
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *"-i file:/"*"/-odd name.webm -vn -ac 1 -ar 8000 -f f32le -"*) ;; '
        "*) echo bad >&2; exit 3;; esac\n"
        'printf "\\000\\000\\000\\077\\000\\000\\200\\076"\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    np.testing.assert_array_equal(decode.load(str(video), 8_000), np.array([0.5, 0.25], np.float32))
    fake.write_text("#!/bin/sh\necho 'Invalid data found' >&2\nexit 1\n")
    with pytest.raises(BadAudio, match=r"cannot be decoded \(ffmpeg: Invalid data found\)"):
        decode.load(str(video), 8_000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadAudio, match="ffmpeg, which may know it, is not installed"):
        decode.load(str(video), 8_000)


def test_silent_stretches_of_a_sounding_file_give_no_clips(tmp_path):
    # The resampling filter rings a little into the first and the last second of the pause.
    write(tmp_path / "audio" / "x.wav", np.concatenate([tone(1.0), np.zeros(48_000), tone(1.0)]))
    assert set(all_clips(prepare(tmp_path, path=tmp_path / "audio"))) == {
        "x.wav",
        "x.wav#1",
        "x.wav#3",
        "x.wav#4",
    }


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_common_formats_are_read(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}", tone(1.0, 440, 44_100), 44_100)
    assert soundfile.info(str(path)).frames > 0
    wave = decode.load(str(path), 12_000)
    assert abs(np.argmax(np.abs(np.fft.rfft(wave[:12_000]))) - 440) <= 1
