"""The command line: wrong input is one line and a non-zero exit, before any work."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def launch(*arguments, cwd=ROOT):
    command = [sys.executable, str(ROOT / "launch.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.parametrize(
    ("argument", "status", "message"),
    [
        ("--config.train.stepz=3", 2, "unknown option --config.train.stepz; nearest: train.steps"),
        ("--config.train.steps=many", 2, "flag --config.train.steps=many"),
        ("--bogus", 2, "Unknown command line flag 'bogus'"),
        ("--list=metric", 2, "metrics|features"),
        ("--config=configs/nowhere.py", None, "configs/nowhere.py"),
        ("--config.score.metrics=pearsn", 1, "did you mean pearson"),
        ("--config.score.features=chroma", 1, "did you mean chroma_cqt or chroma_stft"),
        ("--config.model.name=vgh", 1, "did you mean vgg"),
        ("--config.score.views=clips", 1, "score.views knows clip, frame, map; got 'clips'"),
        ("--config.train.batch_size=0", 1, "train.batch_size must be a multiple"),
        ("--stage=scores", 1, "did you mean score"),
        ("--config.weights=nowhere.h5", 1, "config.weights: there is no file nowhere.h5"),
        ("--config.data.name=tfds(name='no_such_set')", 1, "no_such_set"),
    ],
)
def test_wrong_input_is_one_line(argument, status, message, tmp_path):
    done = launch(argument, f"--workdir={tmp_path / 'run'}")
    assert done.returncode == status if status else done.returncode != 0
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert message in lines[0]
    assert not (tmp_path / "run").exists()
