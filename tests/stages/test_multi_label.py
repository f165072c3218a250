"""A data set whose clips have several labels, through the stages: the miniature of IRMAS."""

import json

import numpy as np
import pytest
import small_runs
from dataset_trees import write_irmas

from actjax import experiment
from actjax.datasets.irmas import CLASS_NAMES
from actjax.defaults import default_config
from actjax.train.prediction import F1_THRESHOLDS, excerpt_f1

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_excerpts_are_files_and_their_clips_are_summed():
    """By hand: sums over the largest are a (1, 0.5), b#x (0.25, 1)."""
    probabilities = np.array([[0.6, 0.2], [0.1, 0.9], [0.4, 0.3], [0.1, 0.0]])
    clips = ["a", "b#x", "a#1", "b#x#12"]
    labels = np.array([[1, 0], [1, 1], [1, 0], [1, 1]])
    rows = {row.threshold: row for row in excerpt_f1(probabilities, clips, labels)}
    assert tuple(rows) == F1_THRESHOLDS and rows[0.5].excerpts == 2
    # At 0.5 named are a: both classes, b#x: the second.
    assert rows[0.5].micro == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert rows[0.5].macro == pytest.approx([0.75, 0.75, (2 / 3 + 2 / 3) / 2])
    # At 0.55 the second class of a is not.
    assert rows[0.55].micro == pytest.approx([1, 2 / 3, 0.8])


@pytest.mark.parametrize("scored", [False, pytest.param(True, marks=pytest.mark.long)])
def test_irmas_trains_is_evaluated_on_several_labels_and_reported(tmp_path, monkeypatch, capsys, scored):
    root = tmp_path / "irmas"
    small_runs.write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    index = write_irmas(root, CLASS_NAMES, recordings=2, parts=1)
    config = default_config()
    config.data.name = f"irmas(path={str(root)!r},index={index!r})"
    config.data.clip_seconds = 1.0
    config.model.name = "my_package.my_module"
    config.train.steps, config.train.batch_size, config.train.warmup_steps = 1, 4, 0
    config.score.batch_size, config.score.networks, config.score.null = 4, "trained", "none"
    config.score.layers, config.score.features, config.score.metrics = "frames", "rms", "pearson"
    config.score.views = "clip"
    config.report.examples = 1
    stages = ("data", "train", *(("score", "report") if scored else ()))
    for stage in stages:
        experiment.run(
            config=config, workdir=str(tmp_path / "run"), stage=stage, data_dir=str(tmp_path / "data")
        )
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["clips"] == 4 and {row["excerpts"] for row in evaluation["f1"]} == {2}
    # A row counts the classes named in the clips that have its label: none, where no test clip has it.
    absent = [i for i, name in enumerate(CLASS_NAMES) if name not in ("cel", "gel", "voi")]
    assert not np.asarray(evaluation["confusion"])[absent].any()
    assert "F1 over 2 excerpts at threshold 0.5: micro" in capsys.readouterr().out
    page = tmp_path / "run" / "report" / "index.html"
    assert not scored or "on 2 held-out excerpts" in page.read_text()
