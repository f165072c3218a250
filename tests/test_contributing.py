"""What CONTRIBUTING.md shows works: its files in a copy of the repository, its commands as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from dataset_trees import tone, write
from launching import ROOT, ended
from readme_commands import commands

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# Compiles all features in one program, which takes a minute: it runs with --long.
LONG = "tests/features/test_feature_contract.py"
# What starts another test run, or shows how to ask for a name that is not there.
OTHER = ("pytest -n 2", "my_package.my_module")


def snippets():
    """path -> text of every Python file of the page; each block follows a line that names its path."""
    found = re.findall(r"`((?:actjax|tests)/[\w/]+\.py)`[^`]*\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == PAGE.count("```python"), "a block of Python follows the line that names its file"
    return dict(found)


def plug_ins():
    """The names of the page's plug-ins."""
    return [path.rsplit("/", 1)[1].removesuffix(".py") for path in snippets() if path.startswith("actjax/")]


def arguments_of_tests():
    """The arguments of each pytest command of the page."""
    lines = re.findall(r"^pytest (.*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)
    return [shlex.split(line) for line in lines if f"pytest {line}" not in OTHER]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository with the files of the page."""
    folder = tmp_path_factory.mktemp("contributing") / "actjax"
    for name in ("actjax", "configs", "docs", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    for name in ("launch.py", "pyproject.toml", "README.md", "BUILD_NOTES.md"):
        shutil.copy(ROOT / name, folder / name)
    for path, text in snippets().items():
        (folder / path).write_text(text, encoding="utf-8")
    counts = folder / "tests" / "models" / "test_counts.py"
    case = re.search(r'^    \("small_cnn".*\n', PAGE, re.MULTILINE)[0]
    counts.write_text(counts.read_text(encoding="utf-8").replace("CASES = [\n", f"CASES = [\n{case}"))
    run(folder, "docs/draw_architecture.py")
    return folder


def run(folder, *command):
    """Output of a command in the copy, whose package it imports."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip
    status, out, _ = ended(process)
    assert status == 0, out[-5000:]
    return out


def test_the_files_hold_the_contracts(checkout):
    """One run of all that the page asks for, but of the contract of features."""
    asked = {one for command in arguments_of_tests() for one in command if one.startswith("tests/")}
    assert LONG in asked and all((checkout / one).exists() for one in asked)
    wanted = " or ".join([*plug_ins(), "counted", "exactly", "picture"])
    out = run(checkout, "-m", "pytest", "-n", "0", "-rA", *sorted(asked - {LONG}), "-k", wanted)
    passed = re.findall(r"^PASSED .*", out, re.MULTILINE)
    assert all(sum(name in line for line in passed) > 2 for name in plug_ins()), out[-5000:]
    assert any("picture" in line for line in passed), out[-5000:]


def test_the_files_are_formatted(checkout):
    paths = list(snippets())
    run(checkout, "-m", "ruff", "check", *paths)
    run(checkout, "-m", "ruff", "format", "--check", *paths)


@pytest.mark.long
@pytest.mark.parametrize("command", arguments_of_tests(), ids=" ".join)
def test_every_test_command_runs(checkout, command):
    assert "passed" in run(checkout, "-m", "pytest", "-n", "0", "-o", "addopts=--strict-markers", *command)


@pytest.mark.long
def test_every_other_command_runs(checkout):
    """Data sets are prepared; what needs a trained network is only planned."""
    for name in ("flute", "piano"):
        for number in range(10):
            write(checkout / "sounds" / f"{name}_{number}.wav", tone(3.0))
    for command in (one for one in commands(PAGE) if one.startswith("python launch.py")):
        if not any(other in command for other in OTHER):
            plan = [] if "--list" in command or "--stage=data" in command else ["--dry_run"]
            run(checkout, *shlex.split(command)[1:], "--data_dir=data", *plan)
