"""Mistakes are one line; a bug says so, and where its traceback is."""

import errno
import re
from concurrent.futures.process import BrokenProcessPool

import pytest

from actjax import failures, files


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("expected a,\n got b"), "expected a, got b"),
        (files.FileError("a.wav", "cut short"), "a.wav: cut short"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.npz"), "a.npz: No such file"),
        (OSError("no way"), "no way"),
        (
            OSError(errno.ENOSPC, "No space left on device", "x"),
            "x: No space .*; free some, the same command",
        ),
        (ModuleNotFoundError("pip install 'actjax[formats]'"), r"pip install 'actjax\[formats\]'"),
        (MemoryError(), "memory ran out: lower train.batch_size"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "memory ran out: lower train.batch_size"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out: lower"),
        (BrokenProcessPool("gone"), "a worker process was killed, most likely"),
        (ValueError("a\x1b[2Jb"), r"a\\x1b\[2Jb"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_a_mistake_is_one_line(error, says, tmp_path):
    status, message = failures.explain(error, tmp_path)
    assert status == failures.MISTAKE and "\n" not in message and "\x1b" not in message
    assert re.match(says, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [TypeError("a\nb"), KeyError("a"), RuntimeError("b"), AssertionError()])
def test_a_bug_says_so_and_its_traceback_is_saved_in_the_workdir(error, tmp_path):
    try:
        raise error
    except Exception as raised:
        status, message = failures.explain(raised, tmp_path)
    [saved] = tmp_path.iterdir()
    assert status == failures.BUG == 70 and "\n" not in message
    assert message.startswith(f"this is a bug of actjax, not yours: {type(error).__name__}")
    assert str(saved) in message
    assert "raise error" in saved.read_text() and "Traceback" in saved.read_text()


@pytest.mark.parametrize("workdir", [None, "missing", "a file"])
def test_without_a_workdir_the_traceback_goes_to_a_temporary_folder(workdir, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "a file").touch()
    message = failures.explain(KeyError("x"), workdir and tmp_path / workdir).message
    [saved] = tmp_path.glob("actjax-*/traceback-*.txt")
    assert str(saved) in message and not (tmp_path / "missing").exists()


def test_an_interruption_goes_on():
    assert failures.explain(KeyboardInterrupt()) == (130, "interrupted; the same command goes on from here")


def test_nothing_that_does_not_print_reaches_a_terminal():
    import io

    held = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print("a\x1b[2J\tb\udce9é", file=files.PrintableStream(held), flush=True)
    assert held.buffer.getvalue() == b"a\\x1b[2J\tb\\udce9\\xe9\n"
