"""A damaged checkpoint is found before any of it is used, and the file at fault is named."""

import shutil

import numpy as np
import pytest

from actjax import files
from actjax.train import checkpoint
from actjax.workdir import train_record
from actjax.workdir.checkpoint_files import NAME
from actjax.workdir.train_record import TrainRecord

TREE = {"a": np.arange(300, dtype=np.float32), "b": {"c": np.int32(1)}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    kept = checkpoint.Checkpoints(folder)
    kept.save(3, {"best_step": 3}, state=TREE, best=TREE)
    kept.close()
    return folder


def read(folder):
    kept = checkpoint.Checkpoints(folder)
    try:
        return kept.read(3, "state", "best")
    finally:
        kept.close()


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def cut(path, rng):
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def remove(path, rng):
    path.unlink()


@pytest.mark.parametrize("damage", [flip, cut, remove])
def test_damage_to_any_file_is_found_and_named(saved, tmp_path, damage):
    rng = np.random.default_rng(0)
    names = sorted(p.relative_to(saved) for p in saved.rglob("*") if p.is_file())
    assert len(names) > 15
    for i, name in enumerate(names):
        folder = tmp_path / str(i)
        shutil.copytree(saved, folder)
        damage(folder / name, rng)
        if damage is remove and name.name == NAME:
            continue  # then it is as one of the first version: below
        with pytest.raises(files.FileError) as refused:
            read(folder)
        said = str(refused.value)
        named = str(folder / "3") if name.name == NAME else str(folder / name)
        assert said.startswith(named) and "\n" not in said and "run --stage=train" in said, said


def test_a_stray_file_and_a_pipe_in_it_are_refused(saved, tmp_path):
    import os

    folder = tmp_path / "c"
    shutil.copytree(saved, folder)
    (folder / "3" / "best" / "more").write_text("x")
    with pytest.raises(files.FileError, match="best/more: is no file of the checkpoint"):
        read(folder)
    (folder / "3" / "best" / "more").unlink()
    (folder / "3" / "commit_success.txt").unlink()
    os.mkfifo(folder / "3" / "commit_success.txt")
    with pytest.raises(files.FileError, match="expected a regular file"):
        read(folder)


def test_one_of_the_first_version_is_known_by_its_content(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "3" / NAME).unlink()
    with pytest.raises(files.FileError, match="expected the hashes of its files, found none"):
        checkpoint.load_best(tmp_path)
    train_record.write(tmp_path, TrainRecord(checkpoint.content_hash(TREE), 3, 3, False, None))
    best, meta = checkpoint.load_best(tmp_path)
    np.testing.assert_array_equal(best["a"], TREE["a"])
    assert meta == {"best_step": 3} and checkpoint.is_whole(tmp_path)
    train_record.write(tmp_path, TrainRecord("0123", 3, 3, False, None))
    with pytest.raises(files.FileError, match="3/best: expected the weights that train.json names"):
        checkpoint.load_best(tmp_path)
    assert not checkpoint.is_whole(tmp_path)


def test_orbax_s_own_errors_name_the_folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "c")
    for path in (tmp_path / "c" / "3").iterdir():
        if path.name == NAME:
            path.unlink()
    (tmp_path / "c" / "3" / "meta" / "metadata").write_text("{")
    with pytest.raises(files.FileError, match="3/meta: cannot be read as an item of a checkpoint"):
        read(tmp_path / "c")
    (tmp_path / "c" / "3" / "meta" / "metadata").unlink()
    with pytest.raises(files.FileError, match="3/meta: "):
        read(tmp_path / "c")


def test_kept_variables_are_made_again_where_they_are_damaged(tmp_path, capsys):
    made = []

    def make():
        made.append(1)
        return TREE

    for _ in range(2):
        found = checkpoint.load_or_make(tmp_path / "controls_x", make, {})
        np.testing.assert_array_equal(found["a"], TREE["a"])
    assert len(made) == 1 and not capsys.readouterr().out
    flip(next((tmp_path / "controls_x" / "0" / "variables").rglob("d/*")), np.random.default_rng(1))
    found = checkpoint.load_or_make(tmp_path / "controls_x", make, {})
    np.testing.assert_array_equal(found["a"], TREE["a"])
    assert len(made) == 2 and "made again" in capsys.readouterr().out
    assert checkpoint.load_or_make(tmp_path / "controls_x", make, {}) is not TREE and len(made) == 2
