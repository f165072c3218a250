"""Configs are found by path and by name, in a checkout and in an installed package."""

import shutil

import pytest
from launching import ROOT

from actjax import config_files, runs, sweep
from actjax.defaults import default_config
from actjax.workdir import recorded_config


def test_those_of_actjax_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = ROOT / "configs" / "seeds.py"
    assert config_files.find("seeds").resolve() == expected
    assert config_files.find("configs/seeds.py").resolve() == expected
    (tmp_path / "seeds").write_text("def get_config(): return 1")
    assert config_files.find("seeds").resolve() == tmp_path / "seeds", "a file that is there comes first"
    with pytest.raises(ValueError, match="the file is not there: .* did you mean seeds"):
        config_files.find("seedz")
    with pytest.raises(ValueError, match="the file is not there"):
        config_files.find("/nowhere/seeds.py")


def test_in_an_installed_package_they_lie_inside_it(tmp_path, monkeypatch):
    inside = tmp_path / "site" / "actjax" / "configs"
    shutil.copytree(ROOT / "configs", inside, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(config_files, "__file__", str(inside.parent / "config_files.py"))
    assert config_files.find("quickstart") == inside / "quickstart.py"
    assert "quickstart" in config_files.names()


def test_a_config_is_made_with_its_argument():
    assert config_files.load("slizovskaia2018:data=gm_instruments").data.name.startswith("gm_instruments")
    with pytest.raises(ValueError, match="config 'zzz': the file is not there: .* known: metric_bench"):
        config_files.load("zzz")


def test_what_is_no_config_is_answered_with_what_may_be_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF\0")
    with pytest.raises(ValueError, match="is no Python file: name one with get_config.., a folder of sounds"):
        config_files.find(str(tmp_path / "a.wav"))
    with pytest.raises(ValueError, match="is not there: name a file with get_config.., a folder of sounds"):
        config_files.find(str(tmp_path / "sound"))


SWEPT = [path.stem for path in (ROOT / "configs").glob("*.py") if "def get_sweep" in path.read_text()]


@pytest.mark.parametrize("name", SWEPT)
def test_every_variant_of_a_sweep_can_be(name, tmp_path, monkeypatch):
    config, path = config_files.load(name), str(ROOT / "configs" / f"{name}.py")
    sweep.check_options(runs.open_run(config, tmp_path / "run", config_path=path))
    monkeypatch.setattr(
        sweep.variants, "read", lambda run: ({"wrong": {"seed": 1, "frontend.n_fft": 0}}, None)
    )
    with pytest.raises(ValueError, match="variant 'wrong' changes what"):
        sweep.check_options(runs.open_run(config, tmp_path / "run", config_path=path))


def test_the_config_of_a_workdir_is_what_it_was_made_with(tmp_path):
    config = default_config()
    config.seed, config.frontend.top_db, config.score.metrics = 7, None, "cka(kernel='rbf')"
    recorded_config.write(tmp_path, "report", config.to_dict())
    assert config_files.load(f"of_workdir:{tmp_path}").to_dict() == config.to_dict()
    with pytest.raises(FileNotFoundError, match="no stage ran in"):
        config_files.load("of_workdir:/nowhere")
