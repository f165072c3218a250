"""Two runs at once, killed runs and damaged files: one writer, no wrong score, and a way on."""

import json
import os
import shutil
import signal
from pathlib import Path

import launching
import pytest
from launching import TINY, ended, wait_for

OPTIONS = (
    *TINY,
    "--config.train.steps=6",
    "--config.train.eval_every=2",
    "--config.score.layers=conv1|conv4",
    "--config.score.features=log_mel,rms",
    "--config.score.metrics=pearson,spearman",
    "--config.score.null=none",
    "--config.report.examples=0",
)
pytestmark = pytest.mark.long


def start(folder, data, *more):
    return launching.launch(folder, data, *OPTIONS, *more)


def finish(*arguments):
    return launching.finish(start(*arguments))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workdir with a trained network, and the data's folder."""
    folder = tmp_path_factory.mktemp("trained")
    finish(folder / "run", folder / "data", "--stage=data")
    finish(folder / "run", folder / "data", "--stage=train")
    return folder / "run", folder / "data"


def copy(trained, folder):
    return Path(shutil.copytree(trained[0], folder)), trained[1]


def tables(folder):
    import pyarrow.parquet as pq

    found = {}
    for path in folder.glob("scores/*.parquet"):
        rows = pq.read_table(path).to_pylist()
        found[path.name] = sorted(str(sorted(row.items())) for row in rows)
    return found


def only_error(err):
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in err, err[-3000:]
    return lines[0]


@pytest.mark.parametrize("second", ["score", "train", "report", "data"])
def test_of_two_runs_at_once_one_is_refused_and_the_other_is_right(trained, tmp_path, second):
    alone, data = copy(trained, tmp_path / "alone")
    finish(alone, data, "--stage=score")
    both, _ = copy(trained, tmp_path / "both")
    first = start(both, data, "--stage=score")
    wait_for(lambda: any(both.glob(".pieces/*/*/observations/*")), first)
    refused = start(both, data, f"--stage={second}", "--config.score.split=validation")
    status, _, err = ended(refused)
    assert status == 1
    said = only_error(err)
    assert f"workdir {both} is in use by process {first.pid} of" in said and "launch.py" in said
    assert ended(first)[0] == 0
    assert tables(both) == tables(alone)
    assert not (both / ".lock").exists() and not list(both.rglob("*.part"))


def test_a_run_that_was_killed_is_followed_at_once(trained, tmp_path):
    alone, data = copy(trained, tmp_path / "alone")
    finish(alone, data, "--stage=score")
    folder, _ = copy(trained, tmp_path / "run")
    first = start(folder, data, "--stage=score")
    wait_for(lambda: any(folder.glob(".pieces/*/*/observations/*")), first)
    first.kill()
    first.communicate()
    left = [path.name for path in folder.glob(".pieces/*/*/observations/*")]
    assert left and (folder / ".lock").exists()
    second = start(folder, data, "--stage=score")
    status, _, err = ended(second)
    assert status == 0 and f"was in use by process {first.pid} of" in err and "taken over" in err
    assert not [name for name in left if (folder / "scores" / name).exists()]
    assert not (folder / ".lock").exists() and tables(folder) == tables(alone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_leaves_nothing_behind(trained, tmp_path, number):
    folder, data = copy(trained, tmp_path / "run")
    process = start(folder, data, "--stage=score")
    wait_for(lambda: any(folder.glob(".pieces/*/*/observations/*")), process)
    os.kill(process.pid, number)
    status, _, err = ended(process)
    assert status == 130 and only_error(err).startswith("error: interrupted")
    assert not (folder / ".lock").exists() and not list(folder.glob("scores/.*"))


def test_two_runs_prepare_the_same_data_once(tmp_path):
    runs = [start(tmp_path / str(i), tmp_path / "data", "--stage=data") for i in range(2)]
    found = [ended(run) for run in runs]
    assert [status for status, _, _ in found] == [0, 0], found
    assert sum("is in use by process" in err and "waiting for it" in err for _, _, err in found) == 1
    one, two = ((tmp_path / str(i) / "data.json").read_text() for i in range(2))
    assert one == two and sum(json.loads(one)["splits"].values()) > 0
    assert not list((tmp_path / "data").rglob(".lock*")) and not list(
        (tmp_path / "data").rglob("incomplete*")
    )


def test_data_whose_preparation_was_killed_are_prepared_by_the_next_run(tmp_path):
    first = start(tmp_path / "run", tmp_path / "data", "--stage=data")
    wait_for(lambda: any((tmp_path / "data").rglob(".shards*/*")), first)
    first.kill()
    first.communicate()
    _, err = finish(tmp_path / "run", tmp_path / "data", "--stage=data")
    assert err.count("taken over") == 2  # the workdir's lock and the data's


def flip(folder):
    path = max(folder.rglob("d/*"), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def truncate(folder):
    path = max(folder.rglob("d/*"), key=lambda p: p.stat().st_size)
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [flip, truncate, shutil.rmtree])
def test_a_damaged_checkpoint_is_never_scored_and_training_mends_it(trained, tmp_path, damage):
    folder, data = copy(trained, tmp_path / "run")
    weights = json.loads((folder / "train.json").read_text())["weights"]
    damage(folder / "checkpoints" / ("6/best" if damage is not shutil.rmtree else ""))
    status, _, err = ended(start(folder, data, "--stage=score"))
    said = only_error(err)
    assert status == 1 and f"{folder}/checkpoints" in said and "run --stage=train" in said
    assert not list(folder.glob("scores/*.parquet"))
    out, _ = finish(folder, data, "--stage=train")
    assert "done before" not in out
    assert damage is shutil.rmtree or "goes on from step 4" in out
    assert json.loads((folder / "train.json").read_text())["weights"] == weights
    finish(folder, data, "--stage=score")
    assert len(tables(folder)) == 1


def test_damaged_records_of_a_workdir_end_in_one_line(trained, tmp_path):
    folder, data = copy(trained, tmp_path / "run")
    finish(folder, data, "--stage=score")
    for name in ("config.json", "train.json", "manifest.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        status, _, err = ended(start(folder, data, "--stage=score"))
        assert status == 1 and f"{name}: " in only_error(err)
        (folder / name).write_bytes(whole)
    finish(folder, data, "--stage=score")
