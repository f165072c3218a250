"""Training keeps the weights of some evaluations, and their scores tell when each feature appears."""

import dataclasses

import numpy as np
import pytest
import small_runs

from actjax import runs
from actjax.defaults import default_config
from actjax.report import emergence
from actjax.report.workdir_files import Material
from actjax.scores.files import load_scores, path_of, score_block, write_scores
from actjax.scoring import checkpoints
from actjax.stages import data, score, train
from actjax.train import checkpoint, kept
from actjax.workdir.evaluation_record import Evaluation


@pytest.fixture(scope="module")
def make_run(tmp_path_factory):
    """(options) -> the run of one workdir, of two classes of tones, trained for five evaluations."""
    folder = tmp_path_factory.mktemp("emergence")
    small_runs.write_sounds(folder)
    small_runs.write_module(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))

        def make(**options):
            config = default_config()
            small = dict(one.removeprefix("--config.").split("=", 1) for one in small_runs.OPTIONS)
            small |= {"train.steps": 5, "train.eval_every": 1, "train.keep": "log"}
            small |= {"score.features": "rms", "score.split": "train", "score.views": "clip"}
            small |= {"score.networks": "trained"}
            for option, value in (small | options).items():
                section, _, last = option.partition(".")
                config[section][last] = type(config[section][last])(value)
            return runs.open_run(config, folder / "run", data_dir=str(folder / "data"))

        run = make()
        data.prepare(run)
        train.train_network(run)
        yield make


def test_checkpoints_are_scored_beside_the_trained_network(make_run, capsys):
    run = make_run(**{"score.checkpoints": "all"})
    assert kept.open_kept(run.workdir).steps() == [5, 4, 2, 1]
    best, meta = checkpoint.load_best(run.workdir)
    assert meta["best_step"] == 5
    assert checkpoint.content_hash(kept.read(run.workdir, 5)) == checkpoint.content_hash(best)
    score.check_options(run)
    score.score(run)
    assert set(load_scores(run.workdir)["network"].to_pylist()) == {"trained"}
    table = load_scores(run.workdir, checkpoints=True).to_pylist()
    assert {row["network"] for row in table} >= {"trained", "step1", "step2", "step4", "step5"}
    scores = {n: [row["score"] for row in table if row["network"] == n] for n in ("trained", "step5")}
    assert scores["step5"] == pytest.approx(scores["trained"], abs=1e-6, nan_ok=True)
    # However they are chosen, the same weights are not scored again; other weights are.
    capsys.readouterr()
    score.score(make_run(**{"score.checkpoints": "1,2,4,5"}))
    assert "done before" in capsys.readouterr().out
    assert checkpoints.names(make_run(**{"score.checkpoints": "log"})) == ["step1", "step2", "step4", "step5"]


def test_checkpoints_that_are_not_there_are_refused(make_run, tmp_path):
    with pytest.raises(ValueError, match="step 3 were not kept; kept are: 1, 2, 4, 5"):
        checkpoints.names(make_run(**{"score.checkpoints": "3"}))
    empty = dataclasses.replace(make_run(**{"score.checkpoints": "all"}), workdir=tmp_path)
    with pytest.raises(ValueError, match="keeps no weights of its training; train with"):
        checkpoints.names(empty)
    with pytest.raises(ValueError, match=r"train with --config.train.keep=log \(or all\)"):
        score.check_options(make_run(**{"score.checkpoints": "all", "train.keep": "none"}))
    with pytest.raises(ValueError, match="wants a network that is trained here"):
        score.check_options(make_run(**{"score.checkpoints": "all", "score.networks": "input"}))
    for bad in ("some", "0", "1,1", "-2"):
        with pytest.raises(ValueError, match=r"score.checkpoints (knows log, all, or|names 1 more)"):
            make_run(**{"score.checkpoints": bad})


def test_a_feature_appears_where_it_stays_above_its_null(tmp_path):
    """Of two layers one follows rms from step 20 on; at step 10 it did by chance, and loses it at once."""
    followed = {"untrained": (0, 0), "step10": (0, 1), "step20": (1, 0), "step40": (2, 0), "trained": (2, 0)}
    blocks = []
    for network, counts in followed.items():
        for layer, count in zip(("conv1", "conv2"), counts, strict=True):
            p = np.where(np.arange(4) < count, 0.01, 0.6)
            values = {"score": np.where(p < 0.05, 0.8, 0.1), "p_maxt": p}
            values |= {"null_mean": np.zeros(4), "null_std": np.full(4, 0.1)}
            # The second layer falls where rms rises.
            values["score"] = values["score"] * (-1 if layer == "conv2" else 1)
            values |= {"ci_low": values["score"] - 0.05, "ci_high": values["score"] + 0.1}
            outputs = {name: value[:, None].astype(np.float32) for name, value in values.items()}
            place = {"network": network, "layer": layer, "depth": 0.5, "feature": "rms"}
            blocks.append(score_block(outputs, n_observations=60, view="clip", metric="pearson", **place))
    write_scores(path_of(tmp_path, "first"), blocks, {"recordings": 60})
    [one] = emergence.emergences(load_scores(tmp_path, checkpoints=True))
    assert one.steps == (0, 10, 20, 40) and one.layers == ("conv1", "conv2")
    assert one.since().tolist() == [[20], [-1]]
    np.testing.assert_allclose(one.taken[:, 0, 0], [0, 0, 0.25, 0.5])
    np.testing.assert_allclose(one.best[:, 0, 0], [0.1, 0.1, 0.8, 0.8], atol=1e-6)
    np.testing.assert_allclose(one.null, 0.196, atol=1e-6)
    np.testing.assert_allclose(one.best[..., 0] - one.low[..., 0], [[0.05, 0.1]] * 4, atol=1e-6)
    np.testing.assert_allclose(one.high[..., 0] - one.best[..., 0], [[0.1, 0.05]] * 4, atol=1e-6)
    assert emergence.table_of(one).rows == [("conv1", "0% → 50%, 20"), ("conv2", "0% → 0%")]
    assert "rms since step 20 in conv1" in emergence.seen(one)
    curve = [{"step": step, "split": "eval", "accuracy": step / 50} for step in (10, 20, 40)]
    tested = Evaluation(0.75, 0.5, ("a", "b"), np.eye(2, dtype=int), 2)
    shown = Material(curve=curve, evaluation=tested)
    drawn = emergence.write(load_scores(tmp_path, checkpoints=True), shown, tmp_path)
    page = emergence.part_of_page(drawn)
    assert drawn[0][1].exists() and emergence.TITLE in page and "data:image/png" in page
    assert emergence.emergences(load_scores(tmp_path)) == [] and emergence.part_of_page([]) == ""
