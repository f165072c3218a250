"""Odd files, folders, manifests and damaged prepared data: each used rightly, or left out with its reason."""

import os
import struct

import numpy as np
import pytest
from dataset_trees import tone, write
from launching import finish, start

from actjax import files
from actjax.data import loader
from actjax.data.recordings import sound as recordings_sound
from actjax.datasets import audio_folder

RATE = 8_000
OPTIONS = {"clip_seconds": 1.0, "sample_rate_hz": RATE, "workers": 1}


def opened(path):
    """What becomes of a file: (samples, peak, note), or the reason why it is left out."""
    try:
        sound = recordings_sound.open_sound(str(path), RATE)
    except recordings_sound.BadAudio as reason:
        return str(reason)
    return sound.samples, float(np.abs(sound.wave()).max()), sound.note


def prepare(tmp_path, **options):
    builder = audio_folder.dataset(data_dir=tmp_path / "tfds", **{**OPTIONS, **options})
    builder.download_and_prepare()
    return builder


def wave_header(rate, samples, channels=1):
    size = 2 * samples * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + (
        struct.pack("<I", size)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (32767, "its samples reach .*, where full scale is 1; it looks like 16-bit integers"),
        (8, "its samples reach 2.4, where full scale is 1$"),
        (1e-4, "silent: it stays within -80 dB"),
        (np.nan, "holds NaN"),
    ],
)
def test_float_files_on_another_scale_are_left_out(tmp_path, scale, reason):
    path = write(tmp_path / "x.wav", (tone(rate=RATE) * scale).astype(np.float32), RATE, subtype="FLOAT")
    with pytest.raises(recordings_sound.BadAudio, match=reason):
        recordings_sound.open_sound(str(path), RATE)


def test_what_goes_a_little_beyond_full_scale_is_scaled_and_said(tmp_path, capfd):
    for i in range(2):
        wave = tone(rate=RATE).astype(np.float32) * (5 if i else 1)
        write(tmp_path / "audio" / f"{i}.wav", wave, RATE, subtype="FLOAT")
    source = loader.open_source(prepare(tmp_path, path=tmp_path / "audio"), "test")
    peaks = [np.abs(source[i]["audio"]).max() / 32767 for i in range(2)]
    np.testing.assert_allclose(peaks, [0.3, 1.0], atol=1e-3)
    assert (
        "changed 1 recordings (1.wav: goes beyond full scale: divided by its peak 1.5"
        in capfd.readouterr().err
    )


def test_channels_that_cancel_are_not_silent(tmp_path):
    wave = tone(rate=RATE)
    path = write(tmp_path / "x.wav", np.stack([wave, -wave], axis=1), RATE)
    samples, peak, note = opened(path)
    assert samples == RATE and peak == pytest.approx(0.3, abs=1e-3) and "channel 1 alone is used" in note
    path = write(tmp_path / "y.wav", np.stack([wave, 0 * wave], axis=1), RATE)
    assert opened(path)[1:] == (pytest.approx(0.15, abs=1e-3), "")


@pytest.mark.parametrize("suffix", ["au", "caf", "w64", "rf64", "aiff"])
def test_what_soundfile_reads_is_used(tmp_path, suffix):
    write(tmp_path / "audio" / f"x.{suffix}", tone(rate=RATE), RATE)
    assert loader.open_source(prepare(tmp_path, path=tmp_path / "audio"), "test").clip_ids == [f"x.{suffix}"]


@pytest.mark.parametrize("rate", [1, 7, 999, 1_000_001])
def test_a_header_with_an_impossible_rate_is_refused(tmp_path, rate):
    path = tmp_path / "x.wav"
    path.write_bytes(wave_header(rate, 12_000) + (tone(rate=RATE) * 32767).astype("<i2").tobytes())
    assert "samples a second, expected 1,000 to 1,000,000" in opened(path)


def test_a_sound_that_ends_before_its_header_says_is_damaged(tmp_path):
    path = write(tmp_path / "x.flac", np.random.default_rng(0).normal(size=40_000) * 0.1, RATE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert opened(path).startswith("damaged: ")


def test_every_file_that_is_not_used_is_listed_with_its_reason(tmp_path, capfd):
    root = tmp_path / "audio"
    for label in "ab":
        for i in range(10):
            write(root / label / f"{i}.wav", tone(rate=RATE), RATE)
    for name in ("a/._0.wav", "__MACOSX/a/._0.wav", ".hidden/x.wav", "b/.Trash/x.wav", "a/notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\0\5\26\7")
    (root / "a" / "dangling.wav").symlink_to("/nowhere.wav")
    (root / "a" / "round").symlink_to(root)
    os.mkfifo(root / "b" / "pipe.wav")
    (root / "b" / "text.wav").write_text("<html>404</html>")
    bytes_name = os.path.join(os.fsencode(root / "a"), b"fl\xfbte.wav")
    with open(bytes_name, "wb") as file:
        file.write((root / "a" / "0.wav").read_bytes())
    builder = prepare(tmp_path, path=root)
    assert builder.class_names == ("a", "b")
    reasons = {os.path.relpath(e["item"], root): e["reason"] for e in loader.builder_skipped(builder)}
    assert reasons.pop("b/text.wav").startswith("cannot be decoded")
    assert reasons == {
        "a/._0.wav": "hidden",
        "__MACOSX": "left there by the archiver of macOS",
        ".hidden": "hidden",
        "b/.Trash": "hidden",
        "a/notes.txt": "no sound file by its name",
        "a/dangling.wav": "a link to nothing",
        "a/round": "a link to a folder",
        "b/pipe.wav": "no regular file, but a pipe or device",
    }
    assert "left out 9 of 30 items" in capfd.readouterr().err
    clips = [c for s in builder.info.splits for c in loader.open_source(builder, s).clip_ids]
    assert len(clips) == 21 and r"a/fl\udcfbte.wav" in clips


def manifest(tmp_path, content, name="list.csv"):
    for i in range(3):
        if not (tmp_path / f"{i}.wav").exists():
            write(tmp_path / f"{i}.wav", tone(2.0, rate=RATE), RATE)
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return audio_folder.dataset(manifest=path, data_dir=tmp_path / "tfds", **OPTIONS)


@pytest.mark.parametrize(
    "content",
    [
        '{"path": "0.wav", "label": 0}\n{"path": "1.wav", "label": 1.0}\n{"path": "2.wav", "label": "0"}\n',
        '{"path": "0.wav", "labels": [0]}\n{"path": "1.wav", "labels": "1"}\n{"path": "2.wav", "label": 0}\n',
    ],
)
def test_numbers_are_labels(tmp_path, content):
    builder = manifest(tmp_path, content, "list.jsonl")
    assert builder.class_names == ("0", "1") and not builder.multi_label
    labels = {r.clip_id: r.labels for rs in builder.builder_config.listing.recordings.values() for r in rs}
    assert labels == {"0.wav": (0,), "1.wav": (1,), "2.wav": (0,)}


def test_start_times_keep_their_digits(tmp_path):
    rows = (
        "path,label,start,end\n0.wav,a,0.1000001,0.8\n0.wav,a,0.1000002,0.9\n1.wav,b,0,0.8\n1.wav,b,0,0.9\n"
    )
    builder = manifest(tmp_path, "\ufeff" + rows.replace("\n", "\r\n"))
    ids = {r.clip_id for rs in builder.builder_config.listing.recordings.values() for r in rs}
    assert ids == {"0.wav@0.1000001", "0.wav@0.1000002", "1.wav@0-0.8", "1.wav@0-0.9"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", b"path,label\n0.wav,fl\xfbte\n", "line 2: expected text in UTF-8, got the byte 0xfb"),
        ("list.csv", b"", "has no rows"),
        ("list.csv", "path,label,split\n0.wav,a,../../evil\n", r"line 2: expected a split of train, .*evil"),
        ("list.csv", 'path,label\n0.wav,"' + "x" * 200_000 + '"\n', "line 2: cannot be read as CSV"),
        ("list.csv", "path,label\n0.wav,a,b\n", "line 2: 3 cells, where the first line has 2"),
        ("list.csv", "path,label,label\n0.wav,a,b\n", "line 1: two columns are named 'label'"),
        ("list.jsonl", '{"path": 3}\n', "line 1: expected a path, got 3"),
        (
            "list.jsonl",
            '{"path": "0.wav", "label": {"a": 1}}\n',
            "line 1: expected a label as text or a whole",
        ),
        ("list.jsonl", '{"path": "0.wav", "label": true}\n', "line 1: expected a label as text or a whole"),
        ("list.jsonl", '{"path": "0.wav", "label": 0.5}\n', "line 1: expected a label as text or a whole"),
        ("list.jsonl", '\n{"path": "0.wav", "start": [1]}\n', "line 2: expected start in seconds"),
        (
            "list.jsonl",
            '{"path": "0.wav", "start": 1' + "0" * 400 + "}\n",
            "line 1: expected start in seconds",
        ),
        ("list.jsonl", '{"path": "0.wav", "split": ["train"]}\n', "line 1: expected a split of train"),
        ("list.jsonl", "[" * 100_000, "JSON in line 1"),
        ("list.jsonl", '{"path": "a\\u0000b"}\n', "line 1: expected a path"),
    ],
)
def test_a_bad_manifest_is_refused_with_file_and_line(tmp_path, name, content, message):
    with pytest.raises(files.FileError, match=f"{name}: .*{message}") as error:
        manifest(tmp_path, content, name)
    assert "\n" not in str(error.value)


def test_the_user_names_the_folder_of_a_manifest_that_lies_elsewhere(tmp_path):
    (tmp_path / "lists").mkdir()
    write(tmp_path / "audio" / "x.wav", tone(rate=RATE), RATE)
    path = tmp_path / "lists" / "list.csv"
    path.write_text(f"path,label\n{tmp_path}/audio/x.wav,a\n")
    with pytest.raises(files.FileError, match="name the folder that holds the audio by path="):
        audio_folder.dataset(manifest=path, **OPTIONS)
    builder = audio_folder.dataset(manifest=path, path=tmp_path / "audio", **OPTIONS)
    assert builder.builder_config.listing.recordings["train"][0].clip_id == "x.wav"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    for label in "ab":
        for i in range(10):
            noise = np.random.default_rng(i).normal(size=RATE) * 0.1
            write(root / "audio" / label / f"{i}.wav", noise, RATE)
    prepare(root, path=root / "audio")
    return root


@pytest.mark.parametrize("name", ["index_train.npz", "*-train.array_record*", "dataset_info.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "flipped", "zeros"])
def test_damaged_prepared_data_is_named_with_what_to_do(prepared, name, damage):
    [path] = (prepared / "tfds").rglob(name)
    good = path.read_bytes()
    at = good.index(b"\x00" * 20) - 5 if damage == "flipped" and name.endswith("npz") else 70_000
    bad = {
        "missing": b"",
        "empty": b"",
        "half": good[: len(good) // 2],
        "flipped": good[:at] + bytes([good[at % len(good)] ^ 64]) + good[at + 1 :],
        "zeros": bytes(len(good)),
    }[damage]
    if damage == "flipped" and name == "dataset_info.json":
        bad = good.replace(b'"14"', b'"13"')
        assert bad != good
    path.write_bytes(bad)
    if damage == "missing":
        path.unlink()
    try:
        with pytest.raises(files.FileError, match=r"delete the folder .* and run --stage=data") as error:
            builder = audio_folder.dataset(path=prepared / "audio", data_dir=prepared / "tfds", **OPTIONS)
            source = loader.open_source(builder, "train")
            [source[i] for i in range(len(source))]
        assert path.parent.name in str(error.value) and "\n" not in str(error.value)
    finally:
        path.write_bytes(good)


def test_classes_absent_from_a_split_are_said(tmp_path):
    rows = "path,label,split\n0.wav,a,train\n1.wav,b,test\n2.wav,a,test\n"
    builder = manifest(tmp_path, rows)
    builder.download_and_prepare()
    sources = {name: loader.open_source(builder, name) for name in builder.info.splits}
    assert loader.absent_classes(sources) == "b in train"
    assert loader.absent_classes({"test": sources["test"]}) == ""


def test_a_long_recording_is_cut_as_it_is_read(tmp_path, monkeypatch):
    """What is too long to hold gives the same clips by every rule."""
    wave = np.random.default_rng(0).normal(size=20 * RATE) * 0.1
    write(tmp_path / "audio" / "x.flac", wave, RATE)
    for cut in ("consecutive", "first", "centre", "ten_tenths"):
        made = []
        for held in (2**25, 30_000):
            monkeypatch.setattr(recordings_sound, "HELD", held)
            monkeypatch.setattr(recordings_sound, "BLOCK", 2**14)
            builder = prepare(
                tmp_path / f"{cut}{held}", path=tmp_path / "audio", cut=cut, sample_rate_hz=6_000
            )
            source = loader.open_source(builder, "test")
            made.append(np.stack([source[i]["audio"] for i in range(len(source))]))
        assert len(made[0]) == (20 if cut == "consecutive" else 1)
        np.testing.assert_allclose(made[0], made[1], atol=1)


@pytest.mark.long
def test_ten_hours_fit_in_a_gibibyte(tmp_path):
    program = (
        "import sys, numpy, soundfile\n"
        "from actjax import costs\n"
        "from actjax.data import loader\n"
        "from actjax.datasets import audio_folder\n"
        "minute = 0.3 * numpy.sin(numpy.arange(480_000) * 0.3)\n"
        "with soundfile.SoundFile(sys.argv[1] + '/x.flac', 'w', 8000, 1) as file:\n"
        "    for _ in range(600):\n"
        "        file.write(minute)\n"
        "made = audio_folder.dataset(path=sys.argv[1], data_dir=sys.argv[2], workers=1)\n"
        # The peak that getrusage says is, of a child, that of the process that started it at least.
        "with costs.measured() as cost:\n"
        "    made.download_and_prepare()\n"
        "    assert len(loader.open_source(made, 'test')) == 12_000\n"
        "assert cost.peak_gib < 1, cost\n"
    )
    (tmp_path / "audio").mkdir()
    finish(start(tmp_path / "audio", tmp_path / "tfds", program=["-c", program]))
