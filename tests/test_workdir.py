"""Files appear whole or not at all; a workdir belongs to one config."""

import json

import pytest

from actjax import files, workdir
from actjax.defaults import default_config


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(OSError, match="disk full"), files.written_whole(path) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def claim(tmp_path, stage, **changes):
    config = default_config()
    config.update_from_flattened_dict(changes)
    workdir.claim(tmp_path, stage, config.to_dict())


TRAINED = {"steps": 3, "best_step": 2, "seconds": 1, "stopped_early": False, "test_accuracy": None}
TRAINED |= {"weights": "ab", "train_clips": 8}
TRAINED["imported"] = {"file": "w.h5", "sha256": "0", "classes": ["a"], "hyper": {}, "layers": []}


def test_what_was_written_is_read(tmp_path):
    files.write_json(tmp_path / "train.json", TRAINED)
    assert workdir.read_trained(tmp_path, *TRAINED) == TRAINED
    claim(tmp_path, "train")
    assert workdir.read_config(tmp_path)["train"]["train.steps"] == 800
    workdir.update_manifest(tmp_path, weights="ab")
    assert workdir.read_manifest(tmp_path)["weights"] == "ab"
    empty = tmp_path / "none"
    assert workdir.read_trained(empty) is None and workdir.read_config(empty) == {}


@pytest.mark.parametrize("content", [b"{", b"[]", b"3", b"null", b'"a"', b"\xff{}", b"[" * 100_000, b""])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("train.json", workdir.read_trained),
        ("config.json", workdir.read_config),
        ("manifest.json", workdir.read_manifest),
        ("config.json", lambda folder: claim(folder, "train")),
        ("manifest.json", lambda folder: workdir.update_manifest(folder, weights="")),
    ],
)
def test_a_damaged_record_is_named_with_what_to_do(tmp_path, name, read, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(files.FileError, match=rf"{name}: .*; (delete it|choose another)") as refused:
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
    tree = json.loads(json.dumps(TRAINED))
    (tree if key in tree else tree["imported"])[key] = value
    files.write_json(tmp_path / "train.json", tree)
    if isinstance(value, RIGHT[key]) and (RIGHT[key] is bool or value is not True):
        assert workdir.read_trained(tmp_path, "weights") == tree
        return
    with pytest.raises(files.FileError, match=rf"train\.json: expected '{key}' to be .*; delete it"):
        workdir.read_trained(tmp_path, "weights")


@pytest.mark.parametrize("key", ["weights", "steps"])
def test_an_entry_that_is_missing_is_named(tmp_path, key):
    files.write_json(tmp_path / "train.json", {k: v for k, v in TRAINED.items() if k != key})
    with pytest.raises(
        files.FileError, match=rf"train\.json: expected an entry '{key}', found none; delete it"
    ):
        workdir.read_trained(tmp_path, "steps")


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
