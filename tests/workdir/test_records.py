"""Records of a workdir: damaged ones are named; a workdir belongs to one config."""

import pytest

from actjax import files
from actjax.defaults import default_config
from actjax.workdir import data_summary, manifest, recorded_config, train_record
from actjax.workdir.train_record import ImportRecord, TrainRecord


def claim(tmp_path, stage, **changes):
    config = default_config()
    config.update_from_flattened_dict(changes)
    recorded_config.write(tmp_path, stage, config.to_dict())


IMPORTED = ImportRecord("w.h5", "0", ["a"], {}, [])
TRAINED = TrainRecord("ab", 3, 2, False, None, seconds=1, train_clips=8, imported=IMPORTED)


@pytest.mark.parametrize("content", [b"{", b"[]", b"3", b"null", b'"a"', b"\xff{}", b"[" * 100_000, b""])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("train.json", train_record.read),
        ("config.json", recorded_config.read),
        ("manifest.json", manifest.read),
        ("config.json", lambda folder: claim(folder, "train")),
        ("manifest.json", lambda folder: manifest.write(folder, weights="")),
        ("data.json", data_summary.read),
    ],
)
def test_a_damaged_record_is_named_with_what_to_do(tmp_path, name, read, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(files.FileError, match=rf"{name}: .*; (delete it|choose another|run )") as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)
    assert (tmp_path / name).read_bytes() == content, "and it stays as it is"


NUMBER = (int, float)
RIGHT = {"steps": int, "best_step": int, "seconds": NUMBER, "stopped_early": bool, "weights": str}
RIGHT |= {"test_accuracy": (*NUMBER, type(None)), "train_clips": int, "imported": dict}
RIGHT |= {"file": str, "sha256": str, "classes": list, "hyper": dict, "layers": list}


@pytest.mark.parametrize("value", [None, [], "x", 3, 1.5, True])
@pytest.mark.parametrize("key", RIGHT)
def test_an_entry_of_another_type_is_named(tmp_path, key, value):
    tree = TRAINED.as_json()
    (tree if key in tree else tree["imported"])[key] = value
    files.write_json(tmp_path / "train.json", tree)
    if isinstance(value, RIGHT[key]) and (RIGHT[key] is bool or value is not True):
        assert train_record.read(tmp_path).as_json() == tree
        return
    with pytest.raises(files.FileError, match=rf"train\.json: expected '{key}' to be .*; delete it"):
        train_record.read(tmp_path)


@pytest.mark.parametrize("key", ["weights", "steps"])
def test_an_entry_that_is_missing_is_named(tmp_path, key):
    files.write_json(tmp_path / "train.json", {k: v for k, v in TRAINED.as_json().items() if k != key})
    with pytest.raises(
        files.FileError, match=rf"train\.json: expected an entry '{key}', found none; delete it"
    ):
        train_record.read(tmp_path)


def test_a_record_of_the_first_version_is_read(tmp_path):
    """It had neither seconds nor the number of training clips."""
    entries = {"weights": "ab", "steps": 3, "best_step": 2, "stopped_early": False, "test_accuracy": 0.5}
    files.write_json(tmp_path / "train.json", entries)
    assert train_record.read(tmp_path) == TrainRecord("ab", 3, 2, False, 0.5)
    assert train_record.read(tmp_path).as_json() == entries, "and is hashed as it was"


def test_another_training_config_is_refused_and_the_keys_are_named(tmp_path):
    claim(tmp_path, "train")
    with pytest.raises(ValueError, match=r"train\.steps = 800 there, 7 asked") as info:
        claim(tmp_path, "train", **{"train.steps": 7})
    assert "\n" not in str(info.value)
    claim(tmp_path, "train")


def test_score_and_report_options_may_change(tmp_path):
    claim(tmp_path, "train")
    claim(tmp_path, "score", **{"score.metrics": "cka", "report.examples": 0})
    with pytest.raises(ValueError, match="data.clip_seconds"):
        claim(tmp_path, "score", **{"data.clip_seconds": 4.0})


def test_a_stage_reads_only_its_own_keys_and_those_before_it(tmp_path):
    claim(tmp_path, "data")
    claim(tmp_path, "data", **{"train.steps": 7})
    claim(tmp_path, "train", **{"train.steps": 7})
    with pytest.raises(ValueError, match="seed"):
        claim(tmp_path, "data", seed=5)
