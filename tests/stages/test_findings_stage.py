"""The findings stage: over the seeds of a sweep, with a network trained on shuffled labels."""

import json

import ml_collections
import numpy as np
import pytest
from launching import ROOT, finish, launch

from actjax import experiment, runs
from actjax.defaults import default_config
from actjax.findings import networks, requirements, table
from actjax.stages import findings
from actjax.stages import report as report_stage
from actjax.workdir import recorded_config, train_record
from actjax.workdir.train_record import TrainRecord

SWEEP = """
import runpy

def get_config():
    config = runpy.run_path({quickstart!r})["get_config"]()
    config.data.config = "tiny"
    config.frontend.n_mels = 64
    config.train.steps, config.train.batch_size = 3, 16
    config.train.warmup_steps, config.train.eval_every = 0, 2
    config.score.split, config.score.batch_size, config.score.null = "train", 8, "none"
    config.score.features, config.score.metrics = "rms", "pearson"
    config.report.examples = 0
    config.findings.update(
        untrained=1, rotations=1, replicates=79, bootstrap=200, splits=2, label_control="labels"
    )
    return config

def get_sweep():
    return {{
        "labels": {{"train.shuffled_labels": True, "findings.untrained": 0}},
        "seed0": {{"seed": 0}},
        "seed1": {{"seed": 1}},
    }}
"""


def made(folder, config):
    """A workdir that a training with this config left, without its network."""
    recorded_config.write(folder, "train", config.to_dict())
    train_record.write(folder, TrainRecord(folder.name, 3, 2, False, 0.5))
    return folder


def run_of(tmp_path, **options):
    config = default_config()
    config.update_from_flattened_dict(options)
    return runs.open_run(config, tmp_path / "own")


def test_labels_are_permuted_by_the_seed_and_nothing_else_changes():
    from actjax.data.loader import Source, shuffled_labels

    ids = [str(i) for i in range(60)]
    source = Source(
        [{}] * 60, ids, ids, np.arange(60, dtype=np.int32) % 6, tuple("abcdef"), 12000, 36000, "x"
    )
    shuffled, again, other = (shuffled_labels(source, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.bincount(shuffled.labels), np.bincount(source.labels))
    assert (shuffled.labels != source.labels).mean() > 0.5
    np.testing.assert_array_equal(shuffled.labels, again.labels)
    assert (shuffled.labels != other.labels).any()
    assert shuffled.clip_ids == source.clip_ids and shuffled.reader is source.reader


def test_a_label_control_must_be_there_and_fit(tmp_path):
    run = run_of(tmp_path, **{"findings.label_control": "control"})
    made(run.workdir, run.config)
    with pytest.raises(
        FileNotFoundError, match="holds no trained network: train it there with --config.train.sh"
    ):
        networks.label_control(run)
    config = ml_collections.ConfigDict(run.config.to_dict())
    made(tmp_path / "control", config)
    with pytest.raises(ValueError, match="the labels of .*control were not shuffled"):
        networks.label_control(run)
    (tmp_path / "control" / "config.json").unlink()
    config.train.shuffled_labels, config.model.name = True, "han2016"
    made(tmp_path / "control", config)
    with pytest.raises(ValueError, match="differs in model.name from .*own"):
        networks.label_control(run)
    (tmp_path / "control" / "config.json").unlink()
    config.model.name, config.seed = run.config.model.name, 7
    made(tmp_path / "control", config)
    assert networks.label_control(run) == tmp_path / "control"
    assert networks.label_control(run_of(tmp_path)) is None


def test_the_stage_is_left_out_where_there_is_nothing_to_test(tmp_path):
    assert "untrained = 0" in requirements.left_out(run_of(tmp_path, **{"findings.untrained": 0}).setup)
    (tmp_path / "a.npz").touch()
    elsewhere = run_of(tmp_path, **{"score.activations": str(tmp_path / "a.npz")})
    assert "elsewhere" in requirements.left_out(elsewhere.setup)
    with pytest.raises(ValueError, match="findings.splits must be a whole number from 1 .*, got 0"):
        run_of(tmp_path, **{"findings.splits": 0})


def test_a_run_of_other_data_tests_them_on_request(tmp_path):
    def stages(name, **options):
        return experiment.stages_of_all(run_of(tmp_path, **{"data.name": name, **options}).config)

    assert "findings" in stages("gm_instruments(clips=480)")
    (tmp_path / "sounds").mkdir()
    own = f"audio_folder(path={str(tmp_path / 'sounds')!r})"
    assert stages(own) == ("data", "train", "score", "atlas", "report")
    assert "findings" in stages(own, **{"findings.always": True})


def test_a_chain_goes_on_without_what_does_not_fit_and_the_stage_alone_refuses(tmp_path, monkeypatch, capsys):
    def refuse(run):
        raise runs.StageLeftOut("9 GiB of observations, more than 4")

    monkeypatch.setattr(findings, "stage", findings.stage._replace(run=refuse))
    monkeypatch.setattr(report_stage, "stage", report_stage.stage._replace(run=lambda run: ["page"]))
    run = run_of(tmp_path)
    assert experiment.run_stages(run, ("findings", "report")) == ["page"]
    assert "findings: left out, 9 GiB of observations, more than 4" in capsys.readouterr().out
    with pytest.raises(ValueError, match="9 GiB"):
        experiment.run_stages(run, ("findings",))


def test_what_was_done_before_is_seen_before_any_network_is_read(tmp_path, monkeypatch, capsys):
    run = run_of(tmp_path)
    monkeypatch.setattr(requirements, "opened", lambda run: (None, None))
    monkeypatch.setattr(table, "made_from", lambda run, test: "same")
    monkeypatch.setattr(table, "is_made", lambda folder, made_from: made_from == "same")
    monkeypatch.setattr(table, "record", lambda folder: None)
    # No network is there to be read, and no clips.
    assert findings.put_to_the_test(run) == list(table.paths(run.workdir))
    assert "findings: done before" in capsys.readouterr().out


@pytest.mark.long
def test_a_sweep_joins_its_seeds_and_the_label_control_is_one_of_the_controls(tmp_path):
    config = tmp_path / "small.py"
    config.write_text(SWEEP.format(quickstart=str(ROOT / "configs" / "quickstart.py")))
    options = (f"--config={config}", "--stage=sweep")
    finish(launch(tmp_path / "run", tmp_path / "data", *options, devices=2))
    own, both = (
        json.loads((tmp_path / "run" / name / "findings.json").read_text()) for name in ("seed0", ".")
    )
    assert own["seeds"] == [0] and both["seeds"] == [0, 1]
    assert not (tmp_path / "run" / "labels" / "findings.json").exists()
    for part in both["parts"]:
        assert {"trained", "untrained", "shuffled", "labels", "rotated"} <= set(part["scores"])
        assert len(part["scores"]["labels"]["seeds"]) == 2
    assert "2 seeds" in (tmp_path / "run" / "report" / "index.html").read_text()
    assert (tmp_path / "run" / "report" / "forest.png").stat().st_size > 0
