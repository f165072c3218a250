"""Search spaces, early stopping and the embedded engine: the same trials for the same search, none lost."""

import dataclasses
import math

import numpy as np
import pytest
import small_runs

from actjax import experiment, report, runs, sweep
from actjax.defaults import default_config
from actjax.report import sweep as pictures
from actjax.scores.files import load_scores
from actjax.scoring import score_set
from actjax.search import (
    Asha,
    Search,
    choice,
    grid,
    log_uniform,
    objective,
    reporting,
    space,
    together,
    trials,
    uniform,
)
from actjax.search import variants as variants_of
from actjax.train.log import DivergedError
from actjax.workdir import recorded_config, sweep_scores, sweep_state, sweep_table, train_record
from actjax.workdir.train_record import TrainRecord

SPACE = {
    "train.learning_rate": log_uniform(1e-4, 1e-2),
    "seed": grid(0, 1),
    "train.label_smoothing": uniform(0.0, 0.2),
    "train.optimizer": choice("adam", "sgd"),
}


def test_a_space_gives_the_same_trials_each_time_within_its_bounds():
    variants = Search(SPACE, num_samples=20).variants()
    assert variants == Search(SPACE, num_samples=20).variants() and len(variants) == 40
    assert list(variants["trial00"]) == list(SPACE)
    assert [one["seed"] for one in variants.values()] == [0, 1] * 20
    rates = np.log10([one["train.learning_rate"] for one in variants.values()])
    assert -4 <= rates.min() < -3 < rates.max() <= -2
    assert all(0 <= one["train.label_smoothing"] <= 0.2 for one in variants.values())
    assert {one["train.optimizer"] for one in variants.values()} == {"adam", "sgd"}
    # More samples keep the first ones.
    assert dict(list(Search(SPACE, num_samples=21).variants().items())[:40]) == variants


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: log_uniform(0, 1), "log_uniform needs bounds above 0"),
        (lambda: uniform(2, 1), "uniform needs two numbers, the lower one first, got 2 and 1"),
        (lambda: grid(), "grid needs at least one value"),
        (lambda: Search({}), r"Search needs a space \{option: grid"),
        (lambda: Search({"seed": 3}), "expected grid, choice, uniform or log_uniform for 'seed', got 3"),
        (lambda: Search(SPACE, mode="best"), "Search: mode knows max, min; got 'best'"),
        (lambda: Asha(0), "Asha: least_steps must be a whole number from 1"),
        (lambda: objective.check("speed"), "Search: metric must be one of test_accuracy, loss"),
        (lambda: objective.check("scores.pearsn.rms"), "did you mean pearson"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_trials_that_fall_behind_are_stopped_at_rungs():
    asha, rungs = Asha(10, 2), {}
    assert [asha.rung(step) for step in (9, 10, 19, 20, 39, 40)] == [None, 10, 10, 20, 20, 40]
    asked = [
        ("a", 10, 0.5),
        ("b", 10, 0.4),
        ("c", 12, 0.6),
        ("a", 15, 0.1),
        ("d", 5, 0.0),
        ("c", 20, math.nan),
    ]
    assert [asha.goes_on(rungs, *one) for one in asked] == [True, False, True, True, True, True]
    assert rungs == {10: {"a": 0.5, "b": 0.4, "c": 0.6}, 20: {"c": -math.inf}}


def test_the_importance_of_an_option_is_the_share_of_variance_between_its_values():
    rng = np.random.default_rng(0)
    options = [{"a": i % 4, "b": float(rng.normal()), "c": "xy"[i % 2]} for i in range(200)]
    values = np.asarray([one["a"] for one in options]) + 0.1 * rng.normal(size=200)
    shares = pictures.importance(options, values, ["a", "b", "c"])
    within = np.mean([values[i::4].var() for i in range(4)])
    assert shares["a"] == pytest.approx(1 - within / values.var(), abs=0.01)
    assert shares["b"] < 0.03 and 0.1 < shares["c"] < 0.3  # a's parity is c


def test_a_table_of_trials_comes_back(tmp_path):
    assert sweep_table.read(tmp_path) == []
    record = TrainRecord("ab", 30, 20, True, 0.75, seconds=2.5, train_clips=9)
    rows = [
        sweep_table.Row("one", "done", {"seed": 1, "train.learning_rate": 1e-3}, record, {"loss": 0.5}),
        sweep_table.Row("two", "failed", {"seed": 2, "train.learning_rate": 1.0}, None, {"loss": None}),
    ]
    paths = sweep_table.write(tmp_path, rows)
    assert [path.name for path in paths] == ["sweep.parquet", "sweep.tsv"]
    one, two = sweep_table.read(tmp_path)
    assert one == {
        "variant": "one", "status": "done", "seed": 1, "train.learning_rate": 1e-3, "test_accuracy": 0.75,
        "best_step": 20, "steps": 30, "stopped_early": True, "seconds": 2.5, "loss": 0.5,
    }  # fmt: skip
    assert two["status"] == "failed" and two["test_accuracy"] is None and two["seed"] == 2
    assert sweep_table.read_text(tmp_path)[0]["train.learning_rate"] == "0.001"


def test_the_embedded_engine_stops_retries_and_goes_on(tmp_path, monkeypatch, capsys):
    """Stages are stood in for: a trial's accuracy is its learning rate; one fails once, one always."""
    config = tmp_path / "config.py"
    config.write_text(
        "from actjax.search import Asha, Search, grid\n"
        "def get_sweep():\n"
        "    space = {'train.learning_rate': grid(0.5, 0.1, 0.9, 0.7)}\n"
        "    return Search(space, asha=Asha(10, 2), metric='accuracy')\n"
    )
    failures = {"trial03": 9, "trial00": 1}
    ran = []

    def run_stages(run, stages):
        name = run.workdir.name
        ran.append((name, stages[-1]))
        if "train" in stages and train_record.read(run.workdir) is None:
            if failures.get(name, 0):
                failures[name] -= 1
                raise DivergedError("training diverged")
            rate = run.config.train.learning_rate
            going_on = run.judge(10, {"accuracy": rate, "loss": 1 - rate})
            record = TrainRecord("ab", 20 if going_on else 10, 10, not going_on, rate)
            train_record.write(run.workdir, record)
        return []

    monkeypatch.setattr(experiment, "run_stages", run_stages)
    monkeypatch.setattr(objective, "read", lambda workdir, metric: None)
    base = default_config()
    base.train.monitor = "accuracy"
    run = runs.open_run(base, tmp_path / "sweep", config_path=str(config))
    outputs = sweep.run_variants(run)
    rows = {row["variant"]: row for row in sweep_table.read(run.workdir)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "trial00": "done", "trial01": "stopped", "trial02": "done", "trial03": "failed"
    }  # fmt: skip
    assert rows["trial02"]["train.learning_rate"] == 0.9 and rows["trial01"]["steps"] == 10
    assert outputs[0] == run.workdir / "sweep.parquet"
    assert ("trial01", "report") not in ran and ("trial02", "report") in ran
    said = capsys.readouterr().out
    assert "trial00 failed (training diverged), tried again" in said and "trial03 failed" in said
    # Again: the one that failed is tried, the one that was stopped is not.
    ran.clear()
    failures.clear()
    sweep.run_variants(run)
    assert not [name for name, _ in ran if name == "trial01"]
    assert {row["status"] for row in sweep_table.read(run.workdir)} == {"done", "stopped"}
    assert sweep_state.read(run.workdir).failed == {}


def test_the_same_seeds_are_trained_and_scored_together(tmp_path, monkeypatch, capsys):
    """Two seeds as one population, in place; one of them as alone. Their p-values over both, by hand."""
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = default_config()
    for option, value in (one.removeprefix("--config.").split("=", 1) for one in small_runs.OPTIONS):
        section, _, name = option.partition(".")
        config[section][name] = type(config[section][name])(value)
    config.train.update(steps=4, eval_every=2, population=2)
    config.score.update(metrics="pearson", features="rms", views="clip", split="train")
    config.score.update(null="unrestricted", replicates=20)
    run = runs.open_run(config, tmp_path / "sweep", data_dir=str(tmp_path / "data"))
    seeds = {f"seed{i}": {"seed": i} for i in range(2)}
    variants = {name: variants_of.open_variant(run, name, changes) for name, changes in seeds.items()}
    together.train_groups(variants, seeds)
    keep = score_set.keep
    with monkeypatch.context() as patch:
        # Killed between the tables of the first and the second.
        patch.setattr(score_set, "keep", lambda run, *a: exit("killed") if run.config.seed else keep(run, *a))
        with pytest.raises(SystemExit, match="killed"):
            together.score_groups(variants, seeds, run.workdir)
    together.score_groups(variants, seeds, run.workdir)
    said = capsys.readouterr().out
    assert said.count("score: 2 networks at once, seed0, seed1") == 2 and "score: goes on after 2" in said
    alone = runs.open_run(variants["seed1"].config, tmp_path / "alone", data_dir=str(tmp_path / "data"))
    for one in (*variants.values(), alone):
        experiment.run_stages(one, ("data", "train", "score"))
    assert capsys.readouterr().out.count("score: done before") == 2
    found, expected = (train_record.need(one.workdir) for one in (variants["seed1"], alone))
    assert dataclasses.replace(found, seconds=0) == dataclasses.replace(expected, seconds=0)
    assert train_record.need(variants["seed0"].workdir).weights != expected.weights
    found, expected = (load_scores(one.workdir).to_pylist() for one in (variants["seed1"], alone))
    assert {row["network"] for row in found} == {"trained", "untrained", "input"}
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for column, value in other.items():
            exact = not isinstance(value, float) or column in ("p_value", "p_maxt", "q_value")
            assert one[column] == (value if exact else pytest.approx(value, abs=1e-6, nan_ok=True)), column
    assert not list(run.workdir.glob(".pieces*"))
    # What both come to together, on the sweep's page.
    assert reporting.write_tests(run.workdir, together.alike(variants, seeds)) != []
    report.build_sweep(run.workdir)
    rows = sweep_scores.read(run.workdir).to_pylist()
    assert {(row["variant"], row["network"]) for row in rows} == {
        (seed, network) for seed in seeds for network in ("trained", "untrained")
    }
    assert all(row["group_p_maxt"] >= row["p_maxt"] - 1e-6 for row in rows)
    assert "of 2 (" in capsys.readouterr().out
    # Where what a run keeps of its tests is not there, the rest of the sweep is.
    [nulls] = variants["seed1"].workdir.glob("scores/*.nulls.npz")
    nulls.unlink()
    assert reporting.write_tests(run.workdir, together.alike(variants, seeds)) == []
    assert f"no p-values over networks: there is no file {nulls}" in capsys.readouterr().out


def test_where_one_network_diverges_the_others_are_trained_alone(tmp_path, monkeypatch, capsys):
    rates = {f"rate{rate}": {"train.learning_rate": rate} for rate in (0.1, 9.9)}
    config = default_config()
    config.train.population = 2
    run = runs.open_run(config, tmp_path / "sweep")
    variants = {name: variants_of.open_variant(run, name, changes) for name, changes in rates.items()}
    together_tried = []

    def diverge(members):
        together_tried.extend(one.config.train.learning_rate for one in members)
        raise DivergedError("training diverged at step 2")

    monkeypatch.setattr(together, "train_all", diverge)
    monkeypatch.setattr(experiment, "run_stages", lambda run, stages: [])
    together.train_groups(variants, rates)
    assert together_tried == [0.1, 9.9]
    assert "train: training diverged at step 2; one at a time" in capsys.readouterr().out


@pytest.mark.parametrize("stages", [("train",), ("data", "train", "score")])
def test_seeds_that_are_trained_alone_are_not_scored(tmp_path, monkeypatch, stages):
    config = default_config()
    config.train.population = 2
    run = runs.open_run(config, tmp_path / "seeds")
    monkeypatch.setattr(together, "train_groups", lambda variants, changes: None)
    monkeypatch.setattr(experiment, "run_stages", lambda run, stages: [(run.workdir.name, stages)])
    monkeypatch.setattr(sweep, "_run", lambda *args: ["all"])
    expected = ["all"] if "score" in stages else [("seed0", stages), ("seed1", stages)]
    assert sweep.run_seeds(run, stages) == expected


def test_a_trial_that_trains_nothing_is_done_where_it_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "draw", lambda *args: [])
    every = []
    for name in ("reported", "left"):
        run = runs.open_run(default_config(), tmp_path / name)
        every.append(trials.Trial(name, {"seed": 0}, run))
        recorded_config.write(run.workdir, "report" if name == "reported" else "score", run.config.to_dict())
    reporting.write(runs.open_run(default_config(), tmp_path), every, None)
    assert [row["status"] for row in sweep_table.read(tmp_path)] == ["done", "left"]
    capsys.readouterr()


def test_the_best_trial_is_the_best_that_is_known():
    values = {"a": 1.0, "b": None, "c": 3.0, "d": math.nan}
    assert space.best(values, "max") == "c" and space.best(values, "min") == "a"
    assert space.best({"b": None}, "max") is None
    assert trials.is_of_trial(DivergedError("")) and not trials.is_of_trial(ValueError(""))
