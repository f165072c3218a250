"""Pieces of an unfinished stage come back as they went in, and never to a stage of another key."""

import numpy as np
import pytest

from actjax.workdir import pieces
from actjax.workdir.piece_log import PieceLog

ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "number": np.asarray(7),
    "none": np.zeros((0, 4)),
    "text": np.asarray(["ä", "bc"]),
    "truth": np.asarray([True, False]),
}


def test_a_piece_comes_back(tmp_path):
    kept = pieces.Pieces(tmp_path, "score", "ab")
    kept.write("one", ARRAYS, {"step": 3})
    piece = pieces.Pieces(tmp_path, "score", "ab").read("one")
    assert piece is not None and piece.note == {"step": 3} and kept.names() == ["one"]
    for name, array in ARRAYS.items():
        assert piece.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(piece.arrays[name], array, strict=True)
    kept.close()
    assert not list(tmp_path.iterdir())


def test_another_key_finds_nothing_and_removes_it(tmp_path):
    pieces.Pieces(tmp_path, "score", "ab").write("one", ARRAYS)
    other = pieces.Pieces(tmp_path, "findings", "ab")
    other.write("one", ARRAYS)
    assert pieces.Pieces(tmp_path, "score", "cd").read("one") is None
    assert [path.name for path in (tmp_path / pieces.NAME).iterdir() if path.name.startswith("score")] == [
        "score-cd"
    ]
    assert other.names() == ["one"]


@pytest.mark.parametrize("at", [0, 9, 60, -1])
def test_a_damaged_piece_is_removed_and_says_so(tmp_path, at, capsys):
    kept = pieces.Pieces(tmp_path, "score", "ab")
    path = kept.write("one", ARRAYS)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert kept.read("one") is None and not path.exists()
    assert "done again" in capsys.readouterr().err


def test_a_log_keeps_many_results_in_few_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces.Pace, "due", lambda self: False)
    log = PieceLog(pieces.Pieces(tmp_path, "score", "ab"), "tasks")
    for i in range(3):
        log.add(f"key {i}", {"a": np.full(2, i)}, {"i": i})
    log.flush()
    log.add("key 3", {})
    log.flush()
    kept = pieces.Pieces(tmp_path, "score", "ab")
    again = PieceLog(kept, "tasks")
    assert len(kept.names()) == 2 and again.keys() == [f"key {i}" for i in range(4)]
    again.retain(["key 1", "key 3"])
    one = again.take("key 1")
    assert one is not None and one.note == {"i": 1} and one.arrays["a"].tolist() == [1, 1]
    assert again.take("key 0") is None and again.take("key 1") is None


def test_results_wait_until_they_are_written(tmp_path, monkeypatch):
    """A signal, or a full disk, while a piece is written: the flush at the stage's end writes it."""
    log = PieceLog(pieces.Pieces(tmp_path, "score", "ab"), "tasks")
    write = pieces.Pieces.write

    def full(self, name, *args):
        raise OSError("no space left")

    monkeypatch.setattr(pieces.Pieces, "write", full)
    with pytest.raises(OSError, match="no space"):
        log.add("key", {})
        log.flush()
    monkeypatch.setattr(pieces.Pieces, "write", write)
    log.flush()
    assert PieceLog(pieces.Pieces(tmp_path, "score", "ab"), "tasks").keys() == ["key"]


def test_pace_keeps_its_share():
    pace = pieces.Pace(least_seconds=0.0, share=0.5)
    assert pace.due()
    pace.took(1000.0)
    assert not pace.due()
