"""Every command of README.md and of the configs' heads runs, and so does README's Python."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import launching
import numpy as np
import pytest
import small_runs
from launching import ROOT, free_port
from published_wheels import weights as published_weights
from published_wheels import write_wheel
from readme_commands import NOT_RUN, OVERRIDES, arguments, documented, python_blocks

from actjax import config_files
from actjax.workdir import recorded_config

sys.path += [str(ROOT / "tests" / room) for room in ("nn", "report")]
# Parses each command in a process of its own, as launch.py does, and checks all that it checks before work.
PARSE = """
import json, os, sys
from actjax import setup
from actjax.command import flags, parsing
failed = 0
for command, argv in json.load(sys.stdin):
    child = os.fork()
    if not child:
        try:
            sys.argv = ["launch.py", *argv]  # where the config's options are looked for
            parsing.parse(sys.argv)
            if not flags.LIST.value:
                setup.resolve(flags.CONFIG.value)
        except BaseException as error:
            print(command, "|", type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    failed += os.waitpid(child, 0)[1] != 0
sys.exit(failed)
"""


def start(command, folder, *more):
    argv = [
        one.replace("{port}", str(free_port())) for one in (*arguments(command), *OVERRIDES[command], *more)
    ]
    if "-m" not in argv:
        argv = ["launch.py", *argv] + [f"--data_dir={folder / 'data'}"] * ("--list=metrics" not in argv)
    return launching.start(program=argv, cwd=folder, path=[folder])


def finish(*processes):
    return launching.finish(*processes)[0]


def furnish(folder):
    """What the commands name: the checkout, sounds, a network, activations, weights."""
    import test_keras

    for name in ("launch.py", "configs"):
        (folder / name).symlink_to(ROOT / name)
    small_runs.write_sounds(folder)
    small_runs.write_module(folder)
    ids = np.array([f"{label}/{i}.wav" for label in ("high", "low") for i in range(8)])
    np.savez(folder / "activations.npz", clip_ids=ids, units=np.random.default_rng(0).normal(size=(16, 3)))
    (folder / "keras_singlelayer").mkdir()
    made = test_keras.random_variables("singlelayer", (96, 128), filter_heights=(4, 7))
    write_wheel(folder / "musicnn-0.1.0-py3-none-any.whl", published_weights())
    test_keras.write_keras2(folder / "keras_singlelayer" / "weights.h5", test_keras.entries(*made[1:]))
    np.save(folder / "keras_singlelayer" / "input_mean.npy", np.zeros((96, 128), np.float32))
    return folder


def test_every_command_has_tiny_settings_and_no_other_has():
    assert set(documented()) == set(OVERRIDES), (
        "README or a config's head has another command: say how it is run"
    )


def test_every_command_is_understood(tmp_path):
    """Flags and options exist, names are known; what launch.py refuses before any work."""
    furnish(tmp_path)
    recorded_config.write(
        tmp_path / "runs" / "quickstart", "report", config_files.load("quickstart").to_dict()
    )
    launched = [c for c in documented() if c.startswith("python launch.py")]
    asked = [(c, [a.replace("{port}", "1234") for a in (*arguments(c), *OVERRIDES[c])]) for c in launched]
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(asked), capture_output=True, text=True, cwd=tmp_path, timeout=300,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert len(asked) > 15


def test_every_module_that_is_run_by_its_name_does_something():
    """A module without an entry is imported, and ends with status 0 and nothing done."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").glob("*.py")]
    named = {name for page in pages for name in re.findall(r"-m (actjax[\w.]*\w)", page.read_text("utf-8"))}
    for name in named:
        module = importlib.util.find_spec(name)
        main = importlib.util.find_spec(f"{name}.__main__") if module.submodule_search_locations else None
        source = Path((main or module).origin).read_text("utf-8")
        assert main or '__name__ == "__main__"' in source, name
    assert {"actjax.benchmark.speed", "actjax.replication"} <= named


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("python launch.py --list=metrics", "pearson"),
        pytest.param("python launch.py --dry_run", "neurons", marks=pytest.mark.long),
    ],
)
def test_what_only_prints_is_run(tmp_path, command, says):
    for name in ("launch.py", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert says in finish(start(command, tmp_path))
    assert not (tmp_path / "runs").exists()


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, standard_promotion):
    from synthetic_scores import write_workdir

    write_workdir(tmp_path / "runs" / "quickstart", layers={"conv1": (0.3, 2)}, features={"rms": 1})
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = {
        "wave": rng.normal(size=12_000).astype(np.float32),
        "activations": rng.normal(size=(60, 3)),
        "features": rng.normal(size=(60, 2)),
        "clip_ids": np.repeat(np.arange(6), 10),
        "maps": rng.normal(size=(4, 3, 12, 16)),
        "matrices": rng.normal(size=(4, 2, 12, 16)),
    }
    first, second = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    alone = {}
    exec(first, alone)
    assert alone["scores"].shape == (50, 20) and np.abs(alone["scores"]).max() > 0.3
    exec(second, names)
    assert set(names["several"]) == {"pearson", "auc"}
    assert names["chroma"].shape[0] == 12 and names["scores"].shape == (3, 2) == names["within"].shape
    assert names["maps"].shape == (3, 2) and names["table"].num_rows > 0


@pytest.mark.long
def test_every_command_runs(tmp_path):
    """In the order of the page: later commands find what earlier ones left."""
    furnish(tmp_path)
    first = "python launch.py"
    for command in sorted(documented(), key=lambda c: c != first):
        if any(part in command for part in NOT_RUN):
            continue
        if "{port}" in str(OVERRIDES[command]):
            port = free_port()
            both = (f"--coordinator=localhost:{port}", "--workdir=runs/two")
            finish(start(first, tmp_path, "--workdir=runs/two", "--stage=data"))
            more = ("--num_processes=2", "--stage=score", "--config.score.networks=untrained,input")
            finish(*(start(first, tmp_path, *both, *more, f"--process_id={i}") for i in range(2)))
            continue
        finish(start(command, tmp_path))
    for name in ("quickstart", "mine", "net", "acts", "longer", "seeds/seed0", "published_singlelayer"):
        assert list((tmp_path / "runs" / name / "scores").glob("*.parquet")), name
    assert (tmp_path / "speed" / "speed.csv").exists()
    assert (Path(tmp_path) / "runs" / "metric_benchmark" / "benchmark" / "metrics.csv").exists()
