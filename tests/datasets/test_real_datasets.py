"""Each data set on a small tree of files in its real layout, and its messages when the tree is not right."""

import csv
import importlib
import inspect
import json
import sys
import threading

import numpy as np
import pytest
import tensorflow_datasets
from dataset_trees import tone, write, write_index, write_irmas

from actjax import files, lookup
from actjax.data import loader
from actjax.data.build import preparing

SMALL = {"sample_rate_hz": 8_000, "workers": 1}
FROM_DISK = ("audio_folder", "fcvid_instruments", "youtube8m_instruments")
FROM_MIRDATA = ("irmas", "medley_solos_db", "tinysol", "good_sounds", "openmic2018")


def module(name):
    return importlib.import_module(f"actjax.datasets.{name}")


def prepare(name, tmp_path, **options):
    builder = lookup.load("dataset", name, data_dir=tmp_path / "tfds", **SMALL, **options)
    builder.download_and_prepare()
    return builder, {s: loader.open_source(builder, s) for s in builder.info.splits}


def labels_of(source):
    """clip id -> class names."""
    names = np.array(source.class_names)
    rows = source.labels if source.multi_label else np.eye(len(names))[source.labels]
    return {clip: sorted(names[row > 0]) for clip, row in zip(source.clip_ids, rows, strict=True)}


def disjoint_recordings(sources):
    sets = [set(source.recording_ids) for source in sources.values()]
    return sum(map(len, sets)) == len(set().union(*sets))


@pytest.mark.parametrize("name", lookup.names("dataset"))
def test_every_data_set_has_the_common_options(name):
    parameters = inspect.signature(lookup.factory("dataset", name)).parameters
    assert {"data_dir", "clip_seconds", "sample_rate_hz"} <= set(parameters)
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())


@pytest.mark.parametrize("name", FROM_DISK + FROM_MIRDATA)
def test_a_missing_download_says_what_to_put_where(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{name}: there is no folder .*nowhere; put there") as error:
        lookup.load("dataset", name, path=tmp_path / "nowhere")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", FROM_MIRDATA)
def test_an_incomplete_mirdata_folder_says_how_to_get_it(name, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: .* is not complete .*initialize\('{name}'"
    ) as error:
        lookup.load("dataset", name, path=tmp_path)
    assert "\n" not in str(error.value)


def fcvid_tree(root):
    rows = []
    for label, name in enumerate(module("fcvid_instruments").CLASS_NAMES):
        for i in range(7):
            write(root / name / f"v{label}_{i}.wav", tone(1.5))
            rows.append((f"./{name}/v{label}_{i}", label))
    return rows


def write_rows(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_fcvid(tmp_path):
    rows = fcvid_tree(tmp_path / "fcvid")
    (tmp_path / "fcvid" / "celloPerformance" / "v1_0.wav").unlink()
    write(tmp_path / "fcvid" / "celloPerformance" / "v1_1.flac", tone(1.5))
    (tmp_path / "fcvid" / "celloPerformance" / "v1_1.wav").unlink()
    write_rows(tmp_path / "fcvid" / "videos.csv", rows)
    builder, sources = prepare("fcvid_instruments", tmp_path, path=tmp_path / "fcvid", clip_seconds=1.0)
    assert {s: len(source) for s, source in sources.items()} == {
        "train": 59,
        "validation": 12,
        "test": 12,
    } or (sum(map(len, sources.values())) == 83)
    assert [e["reason"] for e in loader.builder_skipped(builder)] == ["missing"]
    assert disjoint_recordings(sources)
    for source in sources.values():
        for clip, names in labels_of(source).items():
            assert names == [source.class_names[int(clip[1:].split("_")[0])]]


@pytest.mark.parametrize(
    "row", [("./cello/x", 1), ("./celloPerformance/x", 2), ("./celloPerformance/../x", 1), ("x",)]
)
def test_fcvid_rows_that_do_not_fit_are_named(tmp_path, row):
    write_rows(tmp_path / "videos.csv", [("./celloPerformance/y", 1), row])
    with pytest.raises(
        ValueError, match=r"expected rows \./<class>/<video id>,<class index> in videos.csv; 1 do not fit"
    ):
        module("fcvid_instruments").dataset(path=tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"./celloPerformance/y,1\n./celloPerformance/fl\xfbte,1\n", "line 2: expected text in UTF-8"),
        (b'./celloPerformance/y,"1\n', "cannot be read as CSV"),
        ("./celloPerformance/y,\u00b2\n".encode(), "1 do not fit"),
        (b"./celloPerformance/y," + b"9" * 5000 + b"\n", "1 do not fit"),
    ],
)
def test_a_damaged_csv_of_videos_is_named(tmp_path, content, said):
    (tmp_path / "videos.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"videos\.csv.*{said}"):
        module("fcvid_instruments").dataset(path=tmp_path)


@pytest.mark.parametrize("damaged", ["index.json", "annotation/Medley-solos-DB_metadata.csv"])
def test_a_damaged_file_of_mirdata_is_named(tmp_path, damaged):
    (tmp_path / "annotation").mkdir()
    write_rows(tmp_path / "annotation" / "Medley-solos-DB_metadata.csv", [("subset", "uuid4")])
    index = write_index(tmp_path, {"a": {"audio": "audio/a.wav"}})
    (tmp_path / damaged).write_bytes(b"\xff{,")
    with pytest.raises(files.FileError, match=rf"{tmp_path}.* cannot be read as"):
        module("medley_solos_db").dataset(path=tmp_path, index=index)


def test_fcvid_needs_its_csv(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no CSV"):
        module("fcvid_instruments").dataset(path=tmp_path)
    for name in "ab":
        write_rows(tmp_path / f"{name}.csv", [])
    with pytest.raises(ValueError, match="holds 2 CSV files; say which by csv_name="):
        module("fcvid_instruments").dataset(path=tmp_path)


@pytest.mark.parametrize("below", ["", "audio"])
def test_youtube8m(tmp_path, below):
    root = tmp_path / "yt"
    rows = [(f"-id{label}_{i}", label) for label in range(13) for i in range(3)]
    for video, label in rows:
        write(root / below / f"{video}.wav", tone(1.0, 100 + 10 * label))
    write_rows(root / "videos.csv", rows)
    builder, sources = prepare("youtube8m_instruments", tmp_path, path=root, clip_seconds=1.0, cut="first")
    assert sum(map(len, sources.values())) == 39 and disjoint_recordings(sources)
    assert builder.class_names[0] == "Guitar" and labels_of(sources["train"])[sources["train"].clip_ids[0]]
    write_rows(root / "videos.csv", [("../x", 0)])
    with pytest.raises(ValueError, match="1 do not fit, the first: ../x,0"):
        module("youtube8m_instruments").dataset(path=root)


def test_irmas(tmp_path):
    root = tmp_path / "irmas"
    index = write_irmas(root, module("irmas").CLASS_NAMES, recordings=10, parts=2)
    _, sources = prepare("irmas", tmp_path, path=root, index=index, clip_seconds=1.0)
    assert labels_of(sources["test"]) == {
        "(02) song-1": ["cel", "gel"],
        "(02) song-1#1": ["cel", "gel"],
        "(02) song-3": ["voi"],
        "(02) song-3#1": ["voi"],
    }
    assert set(sources["test"].recording_ids) == {"test-(02) song"}
    assert len(sources["train"]) + len(sources["validation"]) == 220 and len(sources["validation"]) >= 22
    assert disjoint_recordings(sources)
    assert all(names == [clip[:3]] for clip, names in labels_of(sources["train"]).items())


def test_medley_solos_db(tmp_path):
    root, tracks, rows = tmp_path / "medley", {}, []
    for number, (subset, instrument) in enumerate(
        (s, i) for s in ("training", "validation", "test") for i in (3, 4)
    ):
        uuid = f"0000-{number}"
        name = f"audio/Medley-solos-DB_{subset}-{instrument}_{uuid}.wav"
        write(root / name, tone(1.0))
        tracks[uuid] = {"audio": name}
        rows.append((subset, ("", "", "", "flute", "piano")[instrument], instrument, number, uuid))
    (root / "annotation").mkdir()
    write_rows(
        root / "annotation" / "Medley-solos-DB_metadata.csv",
        [("subset", "instrument", "instrument_id", "song_id", "uuid4"), *rows],
    )
    _, sources = prepare(
        "medley_solos_db", tmp_path, path=root, index=write_index(root, tracks), clip_seconds=1.0
    )
    assert {split: list(labels_of(source).values()) for split, source in sources.items()} == {
        split: [["flute"], ["piano"]] for split in ("train", "validation", "test")
    }
    assert sources["test"].recording_ids == ["song-4", "song-5"]


TINYSOL_COLUMNS = (
    "Path",
    "Fold",
    "Family",
    "Instrument (abbr.)",
    "Instrument (in full)",
    "Technique (abbr.)",
    "Technique (in full)",
    "Pitch",
    "Pitch ID",
    "Dynamics",
    "Dynamics ID",
    "Instance ID",
    "String ID (if applicable)",
    "Needed digital retuning",
)


def test_tinysol(tmp_path):
    root, tracks, rows = tmp_path / "tinysol", {}, [TINYSOL_COLUMNS]
    for fold in range(5):
        for instrument, abbreviation in (("Flute", "Fl"), ("Accordion", "Acc")):
            track = f"{abbreviation}-ord-A4-mf-N-{fold}"
            name = f"audio/{instrument}/ordinario/{track}.wav"
            write(root / name, tone(0.6))
            tracks[track] = {"audio": name}
            rows.append(
                (
                    name,
                    fold,
                    "x",
                    abbreviation,
                    instrument,
                    "ord",
                    "ordinario",
                    "A4",
                    69,
                    "mf",
                    2,
                    0,
                    "",
                    "FALSE",
                )
            )
    (root / "annotation").mkdir()
    write_rows(root / "annotation" / "TinySOL_metadata.csv", rows)
    _, sources = prepare("tinysol", tmp_path, path=root, index=write_index(root, tracks), clip_seconds=1.0)
    assert {s: len(source) for s, source in sources.items()} == {"train": 6, "validation": 2, "test": 2}
    assert labels_of(sources["test"]) == {"Fl-ord-A4-mf-N-4": ["Flute"], "Acc-ord-A4-mf-N-4": ["Accordion"]}


def test_good_sounds(tmp_path):
    root, tracks, sounds, takes = tmp_path / "good", {}, {}, {}
    for sound in range(20):
        sounds[str(sound)] = {"id": sound, "instrument": ("flute", "cello")[sound % 2], "pack_id": 1}
        for mic in ("akg", "neumann"):
            take = f"{2 * sound + (mic == 'akg')}"
            name = f"good-sounds/sound_files/pack/{mic}/{take}.wav"
            write(root / name, tone(1.0))
            tracks[take] = {"audio": name}
            takes[take] = {"id": int(take), "microphone": mic, "sound_id": sound, "filename": name}
    for name, content in (("sounds", sounds), ("takes", takes), ("packs", {"1": {}}), ("ratings", {})):
        (root / f"{name}.json").write_text(json.dumps(content))
    _, sources = prepare(
        "good_sounds", tmp_path, path=root, index=write_index(root, tracks), clip_seconds=1.0
    )
    assert sum(map(len, sources.values())) == 40 and len(sources["test"]) == 8
    assert disjoint_recordings(sources)
    assert sources["train"].class_names == ("cello", "flute")
    for source in sources.values():
        assert all(
            names == [("flute", "cello")[int(clip) // 2 % 2]] for clip, names in labels_of(source).items()
        )


def test_openmic2018(tmp_path):
    root, tracks, metadata, labels = tmp_path / "openmic", {}, [], []
    classes = module("openmic2018").CLASS_NAMES
    keys = [f"{number:06d}_{number}" for number in range(60)]
    for number, key in enumerate(keys):
        name = f"audio/{key[:3]}/{key}.ogg"
        write(root / name, tone(1.0))
        tracks[key] = {"audio": name, "vggish": name}
        metadata.append((number, "artist", "title", "[{'genre_title': 'Rock'}]", 0.0, key, 0))
        labels += [(key, classes[number % 20], 0.9), (key, classes[(number + 1) % 20], 0.2)]
    labels.append((keys[0], "voice", 0.8))
    columns = ("track_id", "artist_name", "track_title", "track_genres", "start_time", "sample_key", "end")
    write_rows(root / "openmic-2018-metadata.csv", [columns, *metadata])
    write_rows(
        root / "openmic-2018-aggregated-labels.csv", [("sample_key", "instrument", "relevance"), *labels]
    )
    (root / "partitions").mkdir()
    write_rows(root / "partitions" / "split01_train.csv", [(k,) for k in keys[:40]])
    write_rows(root / "partitions" / "split01_test.csv", [(k,) for k in keys[40:]])
    _, sources = prepare(
        "openmic2018", tmp_path, path=root, index=write_index(root, tracks), clip_seconds=1.0
    )
    assert set(sources["test"].clip_ids) == set(keys[40:])
    assert len(sources["train"]) + len(sources.get("validation", ())) == 40
    found = {clip: names for source in sources.values() for clip, names in labels_of(source).items()}
    assert found[keys[0]] == ["accordion", "voice"] and found[keys[41]] == ["banjo"]


def test_a_mirdata_track_without_annotation_is_named(tmp_path):
    (tmp_path / "annotation").mkdir()
    write_rows(tmp_path / "annotation" / "Medley-solos-DB_metadata.csv", [("subset", "uuid4")])
    index = write_index(tmp_path, {"a": {"audio": "audio/a.wav"}})
    with pytest.raises(
        ValueError, match=r"annotations for every track of mirdata's index; 1 do not fit, the first: .*a\.wav"
    ):
        module("medley_solos_db").dataset(path=tmp_path, index=index)


class Miniature(tensorflow_datasets.core.GeneratorBasedBuilder):
    """A set as in the catalogue, without the Audio feature and so without TensorFlow."""

    VERSION = tensorflow_datasets.core.Version("1.0.0")

    def _info(self):
        features = tensorflow_datasets.features
        return tensorflow_datasets.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "audio": features.Tensor(shape=(None,), dtype=np.int64),
                    "instrument": {"family": features.ClassLabel(names=["bass", "brass"])},
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(20)}

    def _generate_examples(self, count):
        for i in range(count):
            wave = np.round(tone(1.0, 200 + 100 * (i % 2)) * 32767).astype(np.int64)
            yield i, {"audio": wave, "instrument": {"family": i % 2}}


def test_a_catalogue_set_by_its_name(tmp_path):
    options = {"name": "miniature", "label": "instrument.family", "source_dir": tmp_path / "source"}
    options |= {"data_dir": tmp_path / "tfds", "clip_seconds": 1.0, "sample_rate_hz": 8_000}
    builder = module("tfds").dataset(source_rate_hz=16_000, **options)
    assert not (
        tmp_path / "source"
    ).exists()  # asking for it, as --dry_run does, neither downloads nor prepares
    assert builder.class_names == ("bass", "brass")
    with pytest.raises(FileNotFoundError, match="is not prepared in .*: run --stage=data"):
        loader.open_source(builder, "train")
    builder.download_and_prepare()
    sources = {s: loader.open_source(builder, s) for s in builder.info.splits}
    assert {s: len(source) for s, source in sources.items()} == {"train": 14, "validation": 2, "test": 4}
    assert sources["train"].class_names == ("bass", "brass") and disjoint_recordings(sources)
    for i, label in enumerate(sources["train"].labels):
        audio = sources["train"][i]["audio"]
        assert np.argmax(np.abs(np.fft.rfft(audio.astype(float)))) == 200 + 100 * label
        assert abs(np.abs(audio).max() / 32767 - 0.3) < 0.01
    with pytest.raises(ValueError, match="does not say its sample rate; give source_rate_hz="):
        module("tfds").dataset(**options)
    with pytest.raises(ValueError, match="has no feature 'label'; it has audio, instrument"):
        module("tfds").dataset(**{**options, "label": "label"})
    with pytest.raises(ValueError, match="is no class label"):
        module("tfds").dataset(source_rate_hz=16_000, **{**options, "label": "audio"})
    with pytest.raises(ValueError, match="knows no data set 'miniatur'"):
        module("tfds").dataset(**{**options, "name": "miniatur"})


def test_a_catalogue_set_that_another_run_prepares_is_waited_for_and_read(tmp_path):
    options = {"name": "miniature", "label": "instrument.family", "source_dir": tmp_path / "source"}
    options |= {"clip_seconds": 1.0, "sample_rate_hz": 8_000, "source_rate_hz": 16_000}
    one, two = (module("tfds").dataset(data_dir=tmp_path / str(i), **options) for i in range(2))
    taken, end = threading.Event(), threading.Event()

    def other_run():
        with preparing.one_preparer(one.origin):
            taken.set()
            end.wait(60)
            one.origin.download_and_prepare(file_format="array_record")

    thread = threading.Thread(target=other_run)
    thread.start()
    taken.wait(60)
    threading.Timer(0.3, end.set).start()
    two.download_and_prepare()
    thread.join()
    assert end.is_set() and sum(split.num_examples for split in two.info.splits.values()) == 20
    assert not list((tmp_path / "source").rglob(".lock*"))


@pytest.mark.parametrize("name", ["gtzan", "nsynth"])
def test_sets_that_need_tensorflow_say_so(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs the package tensorflow: pip install 'actjax\[tensorflow\]'"
    ):
        module(name).dataset(source_dir=tmp_path)
