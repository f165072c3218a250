"""A stage that is killed at any of its writes goes on from there, to the same result bit for bit."""

import os
import shutil
import sys

import kills
import pytest
import small_runs

from actjax import lookup, runs
from actjax.defaults import default_config
from actjax.scores.files import load_scores, score_block, tables_of, write_scores
from actjax.scoring import score_set, unscored
from actjax.stages import data, score, train
from actjax.workdir import pieces
from actjax.workdir.piece_log import PieceLog


class Killed(BaseException):
    """What no code under test catches, as it cannot catch a kill."""


@pytest.fixture(scope="module")
def make_run(tmp_path_factory):
    """(workdir's name, options) -> a run on two classes of tones, of a network that compiles at once.

    `make.copy(name)` copies its workdir as it was before anything was scored.
    """
    folder = tmp_path_factory.mktemp("resumed")
    small_runs.write_sounds(folder)
    small_runs.write_module(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))

        def make(name, **options):
            config = default_config()
            small = dict(one.removeprefix("--config.").split("=", 1) for one in small_runs.OPTIONS)
            small |= {"train.steps": 4, "train.eval_every": 2, "score.metrics": "pearson,cosine"}
            small |= {"score.null": "unrestricted", "score.replicates": 20, "score.batch_size": 4}
            small |= {"score.split": "train", "score.features": "rms", "score.views": "clip,frame"}
            for option, value in (small | options).items():
                section, _, last = option.partition(".")
                config[section][last] = type(config[section][last])(value)
            return runs.open_run(config, folder / name, data_dir=str(folder / "data"))

        run = make("run")
        data.prepare(run)
        train.train_network(run)
        shutil.copytree(run.workdir, folder / "trained")
        make.copy = lambda name: shutil.copytree(folder / "trained", folder / name)
        yield make


def rows(folder):
    return list(map(str, load_scores(folder).to_pylist()))


def numbers(folder):
    """Key -> every number of the row, by column."""
    key = ("network", "layer", "neuron", "feature", "row", "view", "metric")
    table = {tuple(row[name] for name in key): row for row in load_scores(folder).to_pylist()}
    kinds = int, float
    return {k: {n: v for n, v in row.items() if isinstance(v, kinds)} for k, row in table.items()}


@pytest.fixture
def kill(monkeypatch):
    """(number of a write) -> from now on that write ends in `Killed`, and nothing is written afterwards."""
    write, flush = pieces.Pieces.write, PieceLog.flush
    monkeypatch.setattr(pieces.Pace, "due", lambda self: True)

    def at(number):
        written = []

        def killing(self, name, *args, **kwargs):
            if len(written) == number:
                raise Killed(name)
            written.append(name)
            return write(self, name, *args, **kwargs)

        monkeypatch.setattr(pieces.Pieces, "write", killing)

    monkeypatch.setattr(PieceLog, "flush", lambda self: sys.exc_info()[0] is Killed or flush(self))
    return at


def test_scoring_killed_at_its_writes_comes_to_the_same_scores(make_run, kill, capsys):
    run = make_run("run")
    straight = shutil.copytree(run.workdir, run.workdir.parent / "straight")
    score.score(runs.open_run(run.config, straight, data_dir=run.data_dir))
    for number, said in ((1, ""), (4, "goes on after 1 batches"), (10**6, "goes on after 3 batches")):
        kill(number)
        if number < 10**6:
            with pytest.raises(Killed):
                score.score(run)
        else:
            score.score(run)
        assert said in capsys.readouterr().out
    assert rows(run.workdir) == rows(straight) and len(rows(straight)) > 10
    assert not list(run.workdir.glob(".pieces*"))
    # Nothing is scored again, and pieces of a run that was killed right at its end go.
    pieces.Pieces(run.workdir, "score", "0").write("tasks-000000", {})
    kill(0)
    score.score(run)
    assert "done before" in capsys.readouterr().out and not list(run.workdir.glob(".pieces*"))


def test_a_score_set_grows_by_metrics_and_features(make_run, capsys):
    whole = {"score.metrics": "pearson,cosine", "score.features": "rms,zero_crossing_rate"}
    whole |= {"score.views": "clip"}
    for name in ("grown", "at_once"):
        make_run.copy(name)
    tables = []
    for options in (
        {"score.metrics": "cosine", "score.views": "clip"},
        {**whole, "score.features": "rms"},
        whole,
        whole,
    ):
        outputs = score.score(make_run("grown", **options))
        tables.append({path.name for path in outputs if path.suffix == ".parquet"})
    assert [len(names) for names in tables] == [1, 2, 4, 4]
    assert capsys.readouterr().out.count("done before") == 3
    score.score(make_run("at_once", **whole))
    grown, at_once = (numbers(make_run(name).workdir) for name in ("grown", "at_once"))
    assert grown.keys() == at_once.keys()
    for key, row in at_once.items():
        assert grown[key] == pytest.approx(row, abs=1e-5, nan_ok=True), key


NULLS = {0.3: "unrestricted", 0.01: "within_class", 0.2: "none"}
HELD = {"score.metrics": "partial_pearson", "score.nuisances": "rms", "score.null": "none"}


def test_what_is_held_fixed_is_in_every_piece_of_a_run_and_in_its_key(make_run):
    """Nuisances are scored features too: a piece holds them, and their options are of all scores."""
    few, more, other = (
        make_run("run", **HELD, **{"score.features": features})
        for features in (
            "rms,zero_crossing_rate",
            "rms,zero_crossing_rate,spectral_flatness",
            "rms(n_fft=1024),zero_crossing_rate",
        )
    )
    source = few.open_source("train")
    before, wanted, changed = (unscored.made_from(one, source) for one in (few, more, other))
    (piece,) = unscored.missing(more, wanted, {few.workdir / "a": before})
    assert [spec for spec, _ in lookup.parse_specs(piece.config.score.features)] == [
        "spectral_flatness",
        "rms",
    ]
    assert unscored.made_from(piece, source).base == wanted.base == before.base
    # The loudness is another one: all that it was held fixed in is scored again.
    assert not unscored.serves(before, changed)
    assert unscored.missing(other, changed, {few.workdir / "a": before}) == [other]


@pytest.mark.long
def test_what_is_held_fixed_stays_where_a_score_set_grows(make_run):
    make_run.copy("held")
    scored = {}
    for features in ("rms,zero_crossing_rate", "rms,zero_crossing_rate,spectral_flatness"):
        run = make_run("held", **HELD, **{"score.features": features})
        score.score(run)
        scored[features] = {row["feature"] for row in load_scores(run.workdir).to_pylist()}
    before, after = scored.values()
    assert after - before == {"spectral_flatness"}


def test_scores_that_were_done_before_stand_again(make_run, capsys):
    """Three nulls, the first one again: its p-values are shown, not the last one's."""
    options = {"score.metrics": "pearson,cosine", "score.features": "rms", "score.replicates": 20}
    source = make_run("run").open_source("train")
    make_run.copy("again")
    labels = {"network": "trained", "layer": "a", "depth": 0.5, "feature": "rms", "view": "clip"}
    runs_of = {p: make_run("again", **options, **{"score.null": null}) for p, null in NULLS.items()}
    for i, (p, run) in enumerate(runs_of.items()):
        made_from = unscored.made_from(run, source)
        block = score_block(
            {"score": [[0.5]], "p_value": [[p]]}, n_observations=9, metric="pearson", **labels
        )
        path = write_scores(
            score_set.path_of(run.workdir, made_from), block, {"made_from": made_from._asdict()}
        )
        os.utime(path, (i, i))
    for p, run in runs_of.items():
        score.score(run)
        assert "done before" in capsys.readouterr().out
        assert load_scores(run.workdir)["p_value"].to_pylist() == [pytest.approx(p)]
    times = {path: path.stat().st_mtime_ns for path in tables_of(run.workdir)}
    score.score(run)
    assert times == {path: path.stat().st_mtime_ns for path in tables_of(run.workdir)}


@pytest.mark.long
@pytest.mark.parametrize(("count", "sweep"), [(20, ""), (10, "population")])
def test_a_run_killed_at_random_moments_comes_to_the_same_results(tmp_path, count, sweep):
    assert len(kills.campaign(tmp_path, count, seed=1, sweep=sweep)) == count
