"""Words of a command mean flags; what is named is a config, a workdir or sounds."""

import json

import pytest

from actjax import config_files, lookup
from actjax.command import words

SOUNDS = ["--config.data.name=audio_folder(path='sounds')"]
SAME = f"--config={config_files.folder() / 'of_workdir.py'}:runs/mine"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with sounds, and a workdir in which a stage ran."""
    monkeypatch.chdir(tmp_path)
    for name in ("sounds", "kit.v2"):
        (tmp_path / name).mkdir()
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.json").write_text(json.dumps({"latest": {"seed": 3}}))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("", []),
        ("--stage=score --dry_run", ["--stage=score", "--dry_run"]),
        ("run", []),
        ("run quickstart", ["--config=quickstart"]),
        ("run mine.py:small --config.seed=1", ["--config=mine.py:small", "--config.seed=1"]),
        ("run sounds", [*SOUNDS, "--workdir=runs/sounds"]),
        ("run sounds --workdir=w", [*SOUNDS, "--workdir=w"]),
        ("run sounds --quick", [*SOUNDS, "--workdir=runs/sounds_quick", "--quick"]),
        ("run sounds --quick=false", [*SOUNDS, "--workdir=runs/sounds", "--quick=false"]),
        ("run sounds --quick --workdir=w", [*SOUNDS, "--quick", "--workdir=w"]),
        ("run kit.v2", ["--config.data.name=audio_folder(path='kit.v2')", "--workdir=runs/kit.v2"]),
        ("run a/b.csv", ["--config.data.name=audio_folder(manifest='a/b.csv')", "--workdir=runs/b"]),
        ("run runs/mine", [SAME, "--workdir=runs/mine"]),
        ("report runs/mine", ["--stage=report", SAME, "--workdir=runs/mine"]),
        ("score --workdir=runs/mine", ["--stage=score", SAME, "--workdir=runs/mine"]),
        ("score --workdir runs/mine", ["--stage=score", SAME, "--workdir", "runs/mine"]),
        ("report runs/mine --config=a.py", ["--stage=report", "--workdir=runs/mine", "--config=a.py"]),
        ("sweep seeds", ["--stage=sweep", "--config=seeds"]),
        ("list metrics", ["--list=metrics"]),
        ("list metric cka", ["--list=metric:cka"]),
    ],
)  # fmt: skip
def test_words_become_flags(folder, command, flags):
    assert words.to_flags(command.split()) == flags


def test_what_is_no_command_is_refused(folder):
    with pytest.raises(ValueError, match="got 'quickstrat'; did you mean|got 'quickstrat'; known"):
        words.to_flags(["quickstrat"])
    with pytest.raises(ValueError, match="sounds is a folder in which no stage ran"):
        words.to_flags(["score", "sounds"])
    with pytest.raises(ValueError, match="run takes one name, got a b"):
        words.to_flags(["run", "a", "b"])


def test_the_usage_names_every_stage():
    assert ", ".join(lookup.names("stage")) in words.usage() and "configs" in words.usage()
