"""The pass of a score run is compiled while its networks are trained, and then taken as it is."""

import jax
import pytest
import small_runs

from actjax import beside, compilation, experiment, runs
from actjax.defaults import default_config
from actjax.scoring import foreseen, one_pass

OPTIONS = {
    "data.name": "audio_folder(path='my_sounds')",
    "data.clip_seconds": 1.0,
    "model.name": "my_package.my_module",
    "train.batch_size": 8,
    "train.steps": 2,
    "train.warmup_steps": 0,
    "score.batch_size": 8,
    "score.features": "rms",
    "score.metrics": "pearson",
    "score.null": "none",
    "findings.untrained": 0,
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    small_runs.write_sounds(tmp_path)
    small_runs.write_module(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = default_config()
    for option, value in OPTIONS.items():
        section, key = option.split(".")
        config[section][key] = value
    return runs.open_run(config, tmp_path / "run", data_dir=str(tmp_path / "data"))


@pytest.fixture
def standard_promotion_of_all_threads():
    """Optax wants it; as a context manager JAX would set it for this thread alone."""
    before = jax.config.jax_numpy_dtype_promotion
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    yield
    jax.config.update("jax_numpy_dtype_promotion", before)


def test_a_foreseen_pass_compiles_nothing(run, monkeypatch, standard_promotion_of_all_threads):
    compiled = []
    observe_all = one_pass._observe_all

    def counted(*args):
        programs = compilation.Programs()
        observe_all(*args)
        programs.close()
        compiled.append((programs.compiled, programs.read))

    monkeypatch.setattr(one_pass, "_observe_all", counted)
    # As beside an accelerator.
    monkeypatch.setattr(beside.Aside, "_runs", lambda self: True)
    experiment.run_stages(run, ("data", "train", "score"))
    assert compiled == [(0, 0)]
    assert not foreseen._waiting


def test_what_is_trained_is_not_foreseen_and_another_pass_is_not_taken(run, monkeypatch):
    monkeypatch.setattr(foreseen.train_record, "read", lambda folder: object())
    foreseen.foresee(run)
    assert not foreseen._waiting
    monkeypatch.setattr(foreseen, "_waiting", [foreseen._Foreseen(run.setup, 3, ("trained",), run)])
    assert foreseen.program_of(run.setup, 4, ["trained"]) is None
    assert foreseen.program_of(run.setup, 3, ["trained"]) is run
    assert foreseen.program_of(run.setup, 3, ["trained"]) is None
