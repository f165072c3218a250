"""A sweep on a Ray cluster of two nodes, one of which is killed in the middle: nothing is missing."""

import os
import socket
import subprocess
import sys
import time

import pytest
import small_runs
from launching import ROOT, ended, start, wait_for

pytestmark = pytest.mark.long
# A cluster of this test alone: no tokens, no statistics.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
CONFIG = """from actjax.defaults import default_config
from actjax.search import Search, grid


def get_config():
    return default_config()


def get_sweep():
    return Search({"seed": grid(0, 1, 2, 3)}, metric="loss", mode="min")
"""


def ray(*arguments):
    command = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | QUIET)
    assert done.returncode == 0, done.stderr[-2000:]


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def raylets():
    import psutil

    return [p for p in psutil.process_iter(["name"]) if p.info["name"] == "raylet"]


def test_a_node_that_dies_takes_no_trial_with_it(tmp_path):
    pytest.importorskip("ray")
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    port = free_port()
    before = {p.pid for p in raylets()}
    ray("start", "--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    first = {p.pid for p in raylets()} - before
    try:
        ray("start", f"--address=127.0.0.1:{port}", "--num-cpus=1")
        [second] = [p for p in raylets() if p.pid not in before | first]
        program = start(
            f"--config={tmp_path / 'config.py'}", f"--workdir={tmp_path / 'sweep'}",
            f"--data_dir={tmp_path / 'data'}", "--stage=sweep", *small_runs.OPTIONS,
            "--config.train.steps=20", "--config.train.eval_every=5", "--config.score.features=rms",
            "--config.sweep.engine=ray", f"--config.sweep.address=127.0.0.1:{port}",
            "--config.sweep.cpus=1.0", "--config.sweep.retries=3",
            program=[str(ROOT / "launch.py")], cwd=tmp_path, path=[tmp_path], **QUIET,
        )  # fmt: skip
        wait_for(lambda: len(list((tmp_path / "sweep").glob("trial*/metrics.jsonl"))) > 1, program)
        second.kill()
        status, out, err = ended(program, timeout=1200)
    finally:
        for one in raylets():
            if one.pid not in before:
                one.kill()
        time.sleep(1)
    assert status == 0, out[-2000:] + err[-3000:]
    from actjax.workdir import sweep_table

    rows = sweep_table.read(tmp_path / "sweep")
    assert [(row["seed"], row["status"]) for row in rows] == [(i, "done") for i in range(4)]
    assert all(row["loss"] is not None and row["test_accuracy"] is not None for row in rows)
    assert all((tmp_path / "sweep" / row["variant"] / "report" / "index.html").exists() for row in rows)
