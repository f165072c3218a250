"""Compiled programs are kept from run to run, within bounds, and a run says what it compiled."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_runs

from actjax import compilation, experiment, runs
from actjax.defaults import default_config
from actjax.stages import data

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch):
    """Programs of any size, in this process and in what it starts."""
    monkeypatch.setitem(compilation.SETTINGS, "jax_persistent_cache_min_compile_time_secs", 0.0)
    monkeypatch.delenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")


def compile_anew(option):
    """Compiles one program as a fresh process would; returns what was compiled and read."""
    jax.clear_caches()
    x = np.arange(3, dtype=np.float32)
    with compilation.kept(option) as programs:
        np.testing.assert_allclose(jax.jit(lambda x: jnp.sin(x) * 2)(x), np.sin(x) * 2, rtol=1e-6)
    return programs.compiled, programs.read


def test_the_second_run_compiles_nothing(tmp_path):
    folder = str(tmp_path / "new" / "folder")
    assert compile_anew(folder) == (1, 0)
    assert len(list(Path(folder).glob("*-cache"))) == 1
    assert compile_anew(folder) == (0, 1)


def test_off_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(compilation.VARIABLE, str(tmp_path))
    assert [compile_anew("off"), compile_anew("off")] == [(1, 0), (1, 0)]
    assert not list(tmp_path.iterdir())


def test_the_settings_of_before_come_back(tmp_path):
    before = jax.config.jax_compilation_cache_dir, os.environ[compilation.VARIABLE]
    with compilation.kept(str(tmp_path)):
        assert jax.config.jax_compilation_cache_dir == os.environ[compilation.VARIABLE] == str(tmp_path)
    assert (jax.config.jax_compilation_cache_dir, os.environ[compilation.VARIABLE]) == before


def test_a_folder_that_cannot_be_written_is_one_line_of_warning(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert compile_anew(str(tmp_path / "file" / "folder")) == (1, 0)
    said = capsys.readouterr()
    assert re.fullmatch("warning: cannot keep compiled programs in .*file/folder: .*\n", said.err)
    assert not said.out


def test_a_program_that_a_killed_run_left_half_written_is_compiled_again(tmp_path, capsys):
    compile_anew(str(tmp_path))
    [entry] = tmp_path.glob("*-cache")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert compile_anew(str(tmp_path)) == (1, 0)
    assert compile_anew(str(tmp_path)) == (0, 1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("plugins", "said", "asked"),
    [
        (["xla_cuda13"], None, "--xla_gpu_autotune_level=0"),
        (["xla_cuda13"], "--xla_dump_to=x", "--xla_dump_to=x --xla_gpu_autotune_level=0"),
        (["xla_cuda13"], "--xla_gpu_autotune_level=4", "--xla_gpu_autotune_level=4"),
        ([], None, None),
    ],
)
def test_kernels_are_not_tried_out_unless_the_user_says_so(monkeypatch, plugins, said, asked):
    monkeypatch.setattr(compilation.importlib.metadata, "entry_points", lambda group: plugins)
    if said is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", said)
    compilation.compile_soon()
    assert os.environ.get("XLA_FLAGS") == asked
    monkeypatch.setenv("XLA_FLAGS", said or "")  # which monkeypatch then takes back


def test_the_folder_is_bounded(tmp_path):
    for age, name in enumerate(("new", "old", "oldest")):
        path = tmp_path / f"{name}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    compilation.prune(tmp_path, 200)
    assert {path.name for path in tmp_path.iterdir()} == {"new-cache", "old-cache"}
    compilation.prune(tmp_path, 199)
    assert {path.name for path in tmp_path.iterdir()} == {"new-cache"}


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert compilation.user_folder() == tmp_path / "xdg/actjax/compiled"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert compilation.user_folder() == tmp_path / ".cache/actjax/compiled"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert compilation.user_folder() == tmp_path / "Library/Caches/actjax/compiled"


def opened(folder, workdir, *options, seed=0):
    """A run of the small data in this process."""
    config = default_config()
    config.seed = seed
    for option in options:
        name, value = option.removeprefix("--config.").split("=", 1)
        section, key = name.split(".")
        config[section][key] = type(config[section][key])(value)
    return runs.open_run(config, folder / workdir, data_dir=str(folder / "data"))


def test_another_workdir_and_seed_compile_nothing_here(tmp_path, monkeypatch, standard_promotion):
    """The small form: one process that forgets its programs between the runs."""
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    counts = []
    for seed in range(2):
        run = opened(tmp_path, f"seed{seed}", *small_runs.OPTIONS, "--config.train.steps=2", seed=seed)
        jax.clear_caches()
        with compilation.kept(str(tmp_path / "compiled")) as programs:
            experiment.run_stages(run, ("data", "train"))
        counts.append((programs.compiled, programs.read))
    assert counts[0][0] > 5 and counts[1][0] == 0 and counts[1][1] > 5


@pytest.mark.long  # two processes, of which above is the small form
def test_another_workdir_and_seed_compile_nothing(tmp_path, monkeypatch):
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    data.prepare(opened(tmp_path, "one", *small_runs.OPTIONS, "--config.train.steps=4"))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", compilation.VARIABLE: ""}
    environment |= {
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def launch(*options):
        command = [sys.executable, str(ROOT / "launch.py"), f"--config={ROOT / 'configs' / 'quickstart.py'}"]
        command += [
            "--stage=train",
            f"--data_dir={tmp_path / 'data'}",
            *small_runs.OPTIONS,
            "--config.train.steps=4",
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return re.findall(
            r"programs: (\d+) compiled in [\d.]+ s, (\d+) found compiled and read in", done.stdout
        )

    [(compiled, read)] = launch("--workdir=one")
    assert int(compiled) > 5 and len(list((tmp_path / "xdg/actjax/compiled").glob("*-cache"))) > 5
    [(compiled, read)] = launch("--workdir=two", "--config.seed=1")
    assert compiled == "0" and int(read) > 5
