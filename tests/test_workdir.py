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
