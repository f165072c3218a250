"""A run that is stopped, politely or not, goes on from where it was and comes to the same result."""

import json
import os
import signal

import pytest
import small_runs
from launching import ROOT, TINY, ended, finish, launch, start, wait_for

OPTIONS = (
    *TINY,
    "--config.train.steps=60",
    "--config.train.eval_every=5",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman",
    "--config.score.null=unrestricted",
    "--config.score.replicates=20",
)


def train(folder, workdir, *more):
    options = (*small_runs.OPTIONS, "--config.train.steps=400", "--config.train.eval_every=20")
    return start(
        f"--config={ROOT / 'configs' / 'quickstart.py'}", f"--workdir={workdir}",
        f"--data_dir={folder / 'data'}", "--stage=train", "--config.train.patience=0", *options, *more,
        program=[str(ROOT / "launch.py")], cwd=folder, path=[folder],
    )  # fmt: skip


@pytest.mark.long
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    """On a network that compiles at once; test_loop stops one politely in every run."""
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    finish(train(tmp_path, tmp_path / "straight", "--stage=data"))
    finish(train(tmp_path, tmp_path / "straight"))
    process = train(tmp_path, tmp_path / "killed")
    wait_for(lambda: any((tmp_path / "killed" / "checkpoints").glob("[1-9]*")), process)
    stop(process, signal.SIGKILL)
    assert not (tmp_path / "killed" / "train.json").exists()
    finish(train(tmp_path, tmp_path / "killed"))
    one, two = (json.loads((tmp_path / name / "train.json").read_text()) for name in ("straight", "killed"))
    assert one["weights"] == two["weights"] and one["steps"] == two["steps"] == 400


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_runs_come_to_the_same_result(tmp_path, how):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    data, other = tmp_path / "data", tmp_path / "other"
    finish(launch(straight, data, *OPTIONS))
    # In the data stage, with some shards on disk and others not.
    process = launch(stopped, other, *OPTIONS)
    wait_for(lambda: any(path.is_file() for path in other.rglob("*")), process)
    stop(process, how)
    # In training, after the first checkpoint.
    process = launch(stopped, other, *OPTIONS)
    wait_for(lambda: any((stopped / "checkpoints").glob("[1-9]*")), process)
    stop(process, how)
    assert not (stopped / "train.json").exists()
    # In scoring.
    process = launch(stopped, other, *OPTIONS)
    wait_for(lambda: any(stopped.glob(".pieces/*/*/observations/*")), process)
    stop(process, how)
    assert not list(stopped.glob("scores/*.parquet"))
    finish(launch(stopped, other, *OPTIONS))
    records = [json.loads((run / "train.json").read_text()) for run in (straight, stopped)]
    assert records[0]["weights"] == records[1]["weights"]
    assert not list(stopped.rglob("*.part")) and not list(stopped.glob("scores/.*"))
    assert scores(straight) == scores(stopped)


def stop(process, how):
    os.kill(process.pid, how)
    status, _, err = ended(process)
    if how == signal.SIGINT:
        assert status == 130, err[-3000:]
        assert err.strip().split("\n")[-1].startswith("error: interrupted"), err[-500:]


def scores(folder):
    import pyarrow.parquet as pq

    [path] = folder.glob("scores/*.parquet")
    rows = pq.read_table(path).to_pylist()
    return [str(sorted(row.items())) for row in rows]
