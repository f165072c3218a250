"""Two real processes with two devices each, through the command line: the scores of one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = (
    "--config.data.config=tiny",
    "--config.frontend.n_mels=64",
    "--config.train.batch_size=16",
    "--config.score.batch_size=8",
    "--config.score.networks=untrained,input",
    "--config.score.layers=conv1|dense1",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman,cka",
    "--config.score.null=none",
    "--config.report.examples=1",
)


def start(folder, workdir, stage, *arguments, devices=2):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "launch.py", f"--workdir={folder / workdir}", f"--data_dir={folder / 'data'}"]
    command += [f"--stage={stage}", *SMALL, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
    )


def finish(*processes, timeout=900):
    try:
        for process in processes:
            output = process.communicate(timeout=timeout)[0]
            assert process.returncode == 0, output[-4000:]
    finally:
        for process in processes:
            process.kill()


def scores(folder, workdir):
    import pyarrow.parquet as pq

    (path,) = (folder / workdir / "scores").glob("*.parquet")
    keys = ("network", "layer", "neuron", "feature", "row", "view", "metric")
    return {tuple(r[k] for k in keys): r for r in pq.read_table(path).to_pylist()}


@pytest.mark.long
def test_two_processes_score_as_one_does(tmp_path):
    finish(start(tmp_path, "one", "data"))
    finish(start(tmp_path, "one", "score", devices=1))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    together = (f"--coordinator={address}", "--num_processes=2")
    finish(*(start(tmp_path, "two", "score", *together, f"--process_id={i}") for i in range(2)))
    one, two = scores(tmp_path, "one"), scores(tmp_path, "two")
    assert one.keys() == two.keys() and len(one) > 1000
    assert {key[-1] for key in one} == {"pearson", "spearman", "cka"}
    for key, row in one.items():
        other = two[key]
        assert row["n_observations"] == other["n_observations"] and row["valid"] == other["valid"], key
        if row["valid"]:
            assert other["score"] == pytest.approx(row["score"], abs=1e-5), key
