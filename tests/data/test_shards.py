"""Shards: resumable, whole or not at all, bad items named, the same in worker processes."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from shard_work import double, fail

from actjax import files, pool
from actjax.data.build import index as build_index
from actjax.data.build import shards


def make(folder, items, work=double, **options):
    return shards.make_shards({"train": items}, work, folder=folder, title="t", shard_size=2, **options)[
        "train"
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_examples_come_back_in_order_and_bad_ones_by_name(tmp_path, workers):
    paths = make(tmp_path, [1, -5, 3, 4, -6], workers=workers)
    examples = list(shards.read_shards(paths))
    assert [str(e["name"]) for e in examples] == ["n1", "n3", "n4"]
    np.testing.assert_array_equal(examples[2]["value"], [8, 8, 8])
    skipped = build_index.read_index(paths)[1]
    assert skipped == [{"item": "-5", "reason": "negative"}, {"item": "-6", "reason": "negative"}]


def test_shards_that_are_there_are_not_made_again(tmp_path):
    paths = make(tmp_path, [1, 2, 3], workers=1)
    before = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    make(tmp_path, [1, 2, 3], workers=1)
    assert paths[0].stat().st_mtime_ns == before and paths[1].exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_is_raised_and_leaves_no_half_file(tmp_path, workers):
    with pytest.raises(RuntimeError, match="cannot do"):
        make(tmp_path, [1, 2, 3, 4], fail, workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_a_long_item_is_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "PIECE_BYTES", 20)
    paths = make(tmp_path, [1, 3, -5, 4, 6], lambda item: double(item) * 3, workers=1)
    assert [str(e["name"]) for e in shards.read_shards(paths)] == ["n1"] * 3 + ["n3"] * 3 + ["n4"] * 3 + [
        "n6"
    ] * 3
    assert len(list(shards.pieces_of(paths))) > len(paths)
    assert build_index.read_index(paths)[1] == [{"item": "-5", "reason": "negative"}]


def test_a_damaged_shard_is_named(tmp_path):
    [path, _] = make(tmp_path, [1, 2, 3], workers=1)
    whole = path.read_bytes()
    at = whole.index(b"NUMPY", 200) + 120
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(files.FileError, match=path.name):
        list(shards.read_shards([path]))


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        make(tmp_path, [1])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_full_is_refused_before_the_work(tmp_path):
    with pytest.raises(OSError, match=r"not enough disk space in .*choose another --data_dir"):
        make(tmp_path, [1], bytes_per_item=2**62)


def test_a_dead_worker_is_an_error():
    import os

    with pytest.raises(RuntimeError, match="worker process ended unexpectedly"):
        list(pool.run(os._exit, [(3,), (3,)], workers=2))


def test_a_worker_whose_parent_has_ended_ends_without_a_word():
    command, pipe = [sys.executable, "-m", pool.__name__], subprocess.PIPE
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    worker.stdout.close()
    _, said = worker.communicate(pickle.dumps((len, ("abc",))), timeout=60)
    assert (worker.returncode, said) == (0, b"")


def index(**clips):
    return {
        split: {"clip_id": np.array([c for c, _ in pairs]), "recording_id": np.array([r for _, r in pairs])}
        for split, pairs in clips.items()
    }


def test_duplicate_clips_and_shared_recordings_are_refused():
    build_index.check_index(index(train=[("a", "r"), ("b", "r")], test=[("c", "s")]))
    with pytest.raises(ValueError, match="clip ids must be unique; 1 occur twice, the first: a"):
        build_index.check_index(index(train=[("a", "r")], test=[("a", "s")]))
    with pytest.raises(ValueError, match="recording 'r' stands in the splits train and test"):
        build_index.check_index(index(train=[("a", "r")], test=[("b", "r")]))
