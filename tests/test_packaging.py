"""What a wheel holds: every package, the configs inside, and the command."""

import pytest
from launching import ROOT

from actjax import config_files


@pytest.mark.filterwarnings("ignore::DeprecationWarning:setuptools", "ignore::UserWarning:setuptools")
def test_a_wheel_has_all_packages_the_configs_and_the_command(tmp_path, monkeypatch):
    from setuptools.dist import Distribution

    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "pyproject.toml"})
    distribution.parse_config_files([str(ROOT / "pyproject.toml")])
    build = distribution.get_command_obj("build_py")
    build.build_lib = str(tmp_path)
    build.ensure_finalized()
    build.run()
    built = {path.relative_to(tmp_path / "actjax") for path in (tmp_path / "actjax").rglob("*.py")}
    package = {path.relative_to(ROOT / "actjax") for path in (ROOT / "actjax").rglob("*.py")}
    configs = {path.relative_to(ROOT) for path in (ROOT / "configs").glob("*.py")}
    assert built == package | configs and len(configs) == len(config_files.names())
    assert (tmp_path / "actjax" / "py.typed").exists()
    # Not read through importlib.metadata: what is installed here may be of another day.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'actjax = "actjax.command.program:start_installed"' in text


def test_the_command_starts_what_is_there():
    from actjax.command import program

    assert callable(program.start_installed)
