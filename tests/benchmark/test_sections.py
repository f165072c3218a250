"""A benchmark that was stopped goes on, and comes to what it would have come to in one go."""

import contextlib
from types import SimpleNamespace

import launching
import numpy as np
import pytest

from actjax.benchmark.feature_speed import run as feature_speed
from actjax.benchmark.metrics import judged_trials, label_checks, trials
from actjax.benchmark.metrics import run as metrics_run
from actjax.benchmark.metrics.plants import Plants
from actjax.benchmark.speed import cases
from actjax.benchmark.speed import run as speed
from actjax.similarity import api
from actjax.workdir.piece_log import PieceLog
from actjax.workdir.pieces import Pieces
from actjax.workdir.sections import Sections

# What no two runs have in common.
MEASURED = ("seconds", "peak_mib")
SMALL = {
    "clips": 8, "map_clips": 2, "plants": 2, "distorted": 1, "negatives": 2, "sanity_inputs": 800,
    "sanity_seeds": 10, "dose_clips": 1, "metrics": "pearson,cosine", "parts": "sanity,plants",
}  # fmt: skip


class Stopped(BaseException):
    """What no code under test catches."""


def sections_of(folder):
    log = PieceLog(Pieces(folder, "benchmark", "0"), "sections")
    return log, Sections(log)


def alike(rows):
    return str([{k: v for k, v in row.items() if k not in MEASURED} for row in rows])


def test_label_checks_and_trials_go_on_after_each_metric(tmp_path, monkeypatch):
    """Plants and the concepts of a check are drawn again; what metrics make of them is not computed again."""
    entries = {name: api.make_metric(name) for name in ("pearson", "cosine")}
    scored = []

    def score(metric):
        scored.append(metric.name)
        if len(scored) == 2:
            raise Stopped
        return np.linspace(0.1, 0.9, 6, dtype=np.float32).reshape(2, 3) + len(metric.name)

    none = np.zeros((2, 3), bool)
    plants = Plants(
        np.zeros((2, 1, 1, 4)), np.array([1, -1]), np.array(["none", "noise"]), np.array([9.0, np.nan]), none
    )
    placed = trials.Placed(trials.Contest("clip", plants, np.arange(3), 0), slice(0, 2), slice(0, 3))
    trial = trials.Trial("clips", (placed,), score, "clip")

    def judged(sections):
        results = judged_trials.Results(*([] for _ in judged_trials.Results._fields))
        of_trials = judged_trials.JudgedTrials(True, np.random.default_rng(0), results, sections)
        checked = label_checks.run(entries, seed=1, seeds=4, inputs=200, sections=sections)
        of_trials.score(trial, entries, None)
        return alike(checked + results.plants + results.negatives), str(of_trials.judged)

    log, sections = sections_of(tmp_path)
    with pytest.raises(Stopped):
        judged(sections)
    log.flush()
    _, sections = sections_of(tmp_path)
    assert "clips pearson" in sections.names() and len(sections.names()) == 2 * 12 + 1
    monkeypatch.setattr(label_checks, "score_columns", None)
    went_on = judged(sections)
    assert scored == ["pearson", "cosine", "cosine"]
    monkeypatch.undo()
    assert went_on == judged(Sections())


@pytest.mark.long
def test_the_benchmark_of_metrics_goes_on_with_the_seed_that_it_drew(tmp_path, monkeypatch):
    log, sections = sections_of(tmp_path)
    score, scored = trials.run, []

    def stopping(trial, metric):
        scored.append(metric.name)
        if len(scored) == 3:
            raise Stopped
        return score(trial, metric)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(trials, "run", stopping)
        metrics_run.benchmark(**SMALL, sections=sections)
    log.flush()
    log, sections = sections_of(tmp_path)
    assert {"seed", "clips pearson", "clips cosine"} < set(sections.names())
    monkeypatch.setattr(trials, "run", lambda *of: scored.append("again") or score(*of))
    rows = metrics_run.benchmark(**SMALL, sections=sections)
    assert scored.count("again") == 4  # of the three trials the two that were left
    seed = next(row["seed"] for row in rows if row["part"] == "seed")
    assert alike(rows) == alike(metrics_run.benchmark(**SMALL, seed=seed))


def test_what_was_timed_is_not_timed_again(tmp_path, monkeypatch):
    timed = []

    def metric_rows(ready, repeats):
        timed.append(ready)
        if len(timed) == 2:
            raise Stopped
        row = {"part": "metrics", "name": ready.metric, "neurons": 1, "rows": 1, "observations": 9}
        return [row | {"seconds": float(len(timed))}]

    def feature_row(name, *_):
        timed.append(name)
        return {"feature": name}

    monkeypatch.setattr(speed, "_metric_rows", metric_rows)
    monkeypatch.setattr(cases, "make_ready", lambda case, *_: case)
    monkeypatch.setattr(
        speed, "_scaling_point", lambda n, k, *_: {"rows": [{"pairs": n * k}], "last": {"pearson": 0.1}}
    )
    monkeypatch.setattr(feature_speed, "_row", feature_row)
    monkeypatch.setattr(feature_speed, "librosa_pool", lambda _: contextlib.nullcontext(SimpleNamespace()))
    log, sections = sections_of(tmp_path)
    with pytest.raises(Stopped):
        speed.benchmark(metrics="pearson", sections=sections)
    log.flush()
    log, sections = sections_of(tmp_path)
    rows = speed.benchmark(metrics="pearson", max_pairs=10**4, sections=sections)
    assert [row["seconds"] for row in rows if row.get("part") == "metrics"] == [1.0, 3.0, 4.0]
    assert [row["pairs"] for row in rows[3:]] == [1000, 10_000]
    log.flush()
    _, sections = sections_of(tmp_path)
    assert speed.benchmark(metrics="pearson", max_pairs=10**4, sections=sections) == rows
    timed.clear()
    for names in (["rms"], ["rms", "mel"]):
        assert [row["feature"] for row in feature_speed.benchmark(features=names, sections=sections)] == names
        log.flush()
        log, sections = sections_of(tmp_path)
    assert timed == ["rms", "rms", "mel"] or timed == ["rms", "mel"]


@pytest.mark.long
def test_a_benchmark_that_is_killed_goes_on_to_the_same_rows(tmp_path):
    options = ",".join(
        f"{k}={v!r}" for k, v in (SMALL | {"metrics": "pearson,cosine,spearman,iou,ssim", "seed": 3}).items()
    )
    kind = f"--config.benchmark.kind=metrics({options})"

    def begin(name):
        return launching.start("--stage=benchmark", kind, f"--workdir={tmp_path / name}")

    def rows(name):
        import csv

        with open(tmp_path / name / "benchmark" / "metrics.csv") as file:
            return alike(csv.DictReader(file))

    launching.finish(begin("straight"))
    # Killed whenever it has kept more, however fast it is with programs that were compiled before.
    for kept in range(3):
        killed = begin("killed")
        launching.wait_for(lambda n=kept: len(list((tmp_path / "killed").rglob("sections-*"))) > n, killed)
        killed.kill()
        killed.communicate()
    said, _ = launching.finish(begin("killed"))
    assert "sections done before: " in said
    assert rows("killed") == rows("straight")
    assert not list((tmp_path / "killed").glob(".pieces*"))
