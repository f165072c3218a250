"""Two real processes with two devices each, through the command line: the scores of one process."""

import signal
import time

import pytest
import small_runs
from launching import ROOT, TINY, ended, finish, free_port, launch, wait_for
from launching import start as start_program

SMALL = (
    *TINY,
    "--config.score.networks=untrained,input",
    "--config.score.layers=conv1|dense1",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman,cka",
    "--config.score.null=none",
    "--config.report.examples=1",
)


def start(folder, workdir, stage, *arguments, devices=2):
    options = (f"--stage={stage}", *SMALL, *arguments)
    return launch(folder / workdir, folder / "data", *options, devices=devices)


def scores(folder, workdir):
    import pyarrow.parquet as pq

    (path,) = (folder / workdir / "scores").glob("*.parquet")
    keys = ("network", "layer", "neuron", "feature", "row", "view", "metric")
    return {tuple(r[k] for k in keys): r for r in pq.read_table(path).to_pylist()}


@pytest.mark.long
def test_two_processes_score_as_one_does(tmp_path):
    finish(start(tmp_path, "one", "data"))
    finish(start(tmp_path, "one", "score", devices=1))
    together = (f"--coordinator=localhost:{free_port()}", "--num_processes=2")
    finish(*(start(tmp_path, "two", "score", *together, f"--process_id={i}") for i in range(2)))
    one, two = scores(tmp_path, "one"), scores(tmp_path, "two")
    assert one.keys() == two.keys() and len(one) > 1000
    assert {key[-1] for key in one} == {"pearson", "spearman", "cka"}
    for key, row in one.items():
        other = two[key]
        assert row["n_observations"] == other["n_observations"] and row["valid"] == other["valid"], key
        if row["valid"]:
            assert other["score"] == pytest.approx(row["score"], abs=1e-5), key


def joined(port, process, processes):
    if processes == 1:
        return ()
    return (
        f"--coordinator=localhost:{port}", f"--num_processes={processes}", f"--process_id={process}"
    )  # fmt: skip


def start_small(folder, workdir, *options, processes=2):
    """As many processes of one run of every stage on tones, in a shared workdir with a shared data folder."""
    port = free_port()
    return [
        start_program(
            f"--config={ROOT / 'configs' / 'quickstart.py'}", f"--workdir={folder / workdir}",
            f"--data_dir={folder / 'data'}", *small_runs.OPTIONS, "--config.train.steps=20",
            "--config.train.eval_every=5", "--config.score.metrics=pearson,cosine", *options,
            *joined(port, i, processes),
            program=[str(ROOT / "launch.py")], cwd=folder, path=[folder], devices=2 if processes > 1 else 4,
        )
        for i in range(processes)
    ]  # fmt: skip


@pytest.mark.long
def test_two_processes_run_every_stage_in_a_shared_workdir_with_fresh_data(tmp_path):
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    finish(*start_small(tmp_path, "two"))
    finish(*start_small(tmp_path, "one", processes=1))
    one, two = scores(tmp_path, "one"), scores(tmp_path, "two")
    assert one.keys() == two.keys() and len(one) > 100
    for key, row in one.items():
        if row["valid"]:
            assert two[key]["score"] == pytest.approx(row["score"], abs=1e-4), key
    names = (".pieces", ".lock", ".shards")
    left = [path for path in tmp_path.rglob(".*") if path.name.startswith(names)]
    assert not left and not list(tmp_path.rglob("incomplete.*"))


@pytest.mark.long
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_ends_the_other_in_a_line_and_the_run_goes_on(tmp_path, victim):
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    processes = start_small(tmp_path, "run", "--config.train.steps=4000", "--config.train.patience=0")
    wait_for(lambda: any((tmp_path / "run" / "checkpoints").glob("[1-9]*")), processes[1 - victim])
    processes[victim].send_signal(signal.SIGKILL)
    began = time.monotonic()
    status, _, err = ended(processes[1 - victim], timeout=120)
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert time.monotonic() - began < 60 and status == 1
    assert said == [said[0]] and f"process {victim} of 2 ended: it died" in said[0], err[-3000:]
    assert "the same command goes on from here" in said[0] and "Traceback" not in err
    processes[victim].communicate()
