"""A run that is stopped, politely or not, goes on from where it was and comes to the same result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_runs

ROOT = Path(__file__).parent.parent
OPTIONS = (
    "--config.data.config=tiny",
    "--config.frontend.n_mels=64",
    "--config.train.steps=60",
    "--config.train.batch_size=16",
    "--config.train.warmup_steps=0",
    "--config.train.eval_every=5",
    "--config.score.batch_size=8",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman",
    "--config.score.null=unrestricted",
    "--config.score.replicates=20",
    "--config.findings.untrained=0",
)


def start(folder, data, *more):
    command = [sys.executable, "launch.py", f"--workdir={folder}", f"--data_dir={data}", *OPTIONS, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finish(folder, data, *more):
    process = start(folder, data, *more)
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err[-3000:]
    return out


def wait_for(condition, process):
    for _ in range(3000):
        if condition():
            return
        assert process.poll() is None, process.stderr.read()[-3000:]
        time.sleep(0.1)
    raise AssertionError("never came")


def train(folder, workdir, *more):
    command = [sys.executable, str(ROOT / "launch.py"), f"--config={ROOT / 'configs' / 'quickstart.py'}"]
    command += [f"--workdir={workdir}", f"--data_dir={folder / 'data'}", "--stage=train", *small_runs.OPTIONS]
    command += [
        "--config.train.steps=400",
        "--config.train.eval_every=20",
        "--config.train.patience=0",
        *more,
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    return subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=folder, env=environment)


def ended(process):
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err[-3000:]


@pytest.mark.long
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    """On a network that compiles at once; test_loop stops one politely in every run."""
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    ended(train(tmp_path, tmp_path / "straight", "--stage=data"))
    ended(train(tmp_path, tmp_path / "straight"))
    process = train(tmp_path, tmp_path / "killed")
    wait_for(lambda: any((tmp_path / "killed" / "checkpoints").glob("[1-9]*")), process)
    stop(process, signal.SIGKILL)
    assert not (tmp_path / "killed" / "train.json").exists()
    ended(train(tmp_path, tmp_path / "killed"))
    one, two = (json.loads((tmp_path / name / "train.json").read_text()) for name in ("straight", "killed"))
    assert one["weights"] == two["weights"] and one["steps"] == two["steps"] == 400


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_runs_come_to_the_same_result(tmp_path, how):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    data, other = tmp_path / "data", tmp_path / "other"
    finish(straight, data)
    # In the data stage, with some shards on disk and others not.
    process = start(stopped, other)
    wait_for(lambda: any(path.is_file() for path in other.rglob("*")), process)
    stop(process, how)
    # In training, after the first checkpoint.
    process = start(stopped, other)
    wait_for(lambda: any((stopped / "checkpoints").glob("[1-9]*")), process)
    stop(process, how)
    assert not (stopped / "train.json").exists()
    # In scoring.
    process = start(stopped, other)
    wait_for(lambda: any(stopped.glob("scores/.observations*")), process)
    stop(process, how)
    assert not list(stopped.glob("scores/*.parquet"))
    finish(stopped, other)
    records = [json.loads((run / "train.json").read_text()) for run in (straight, stopped)]
    assert records[0]["weights"] == records[1]["weights"]
    assert not list(stopped.rglob("*.part")) and not list(stopped.glob("scores/.*"))
    assert scores(straight) == scores(stopped)


def stop(process, how):
    os.kill(process.pid, how)
    _, err = process.communicate(timeout=120)
    if how == signal.SIGINT:
        assert process.returncode == 130, err[-3000:]
        assert err.strip().split("\n")[-1].startswith("error: interrupted"), err[-500:]


def scores(folder):
    import pyarrow.parquet as pq

    [path] = folder.glob("scores/*.parquet")
    rows = pq.read_table(path).to_pylist()
    return [str(sorted(row.items())) for row in rows]
