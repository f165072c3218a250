"""Files are written whole, and what a library raises over a damaged one names the file."""

import json
import os

import pytest

from actjax import files


def test_a_library_s_error_names_the_file(tmp_path):
    for error in (KeyError("x"), RecursionError("deep"), ValueError("bad"), OSError("half")):
        refused = pytest.raises(files.FileError, match=r"a\.npz: cannot be read as an archive")
        with refused, files.reading(tmp_path / "a.npz", "an archive"):
            raise error


def test_errors_about_the_path_itself_stay(tmp_path):
    with pytest.raises(FileNotFoundError), files.reading(tmp_path / "a", "JSON"):
        (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b"3"])
def test_json_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(files.FileError, match=r"a\.json"):
        files.read_json(path)


def test_json_comes_back(tmp_path):
    path = files.write_json(tmp_path / "sub" / "a.json", {"é": [1.5, None]})
    assert files.read_json(path) == {"é": [1.5, None]}
    assert files.read_json(tmp_path / "none.json", {"a": 1}) == {"a": 1}


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(files.FileError, match="regular file"):
        files.regular_file(tmp_path / "x.npy")
    with pytest.raises(files.FileError, match="regular file"):
        files.regular_file(tmp_path)


def test_terminal_escapes_are_shown_not_sent():
    assert files.printable("a\x1b[2Jb\udcff") == "a\\x1b[2Jb\\udcff"


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(OSError, match="disk full"), files.written_whole(path) as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
