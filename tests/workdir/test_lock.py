"""One writer at a time, and who died does not keep others out."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import ml_collections
import pytest
from launching import ROOT

from actjax import experiment, files, lookup
from actjax.defaults import default_config
from actjax.workdir import lock, lock_owner, writer


@contextlib.contextmanager
def another_run(path):
    """Holds the lock in a thread of its own, as another run would."""
    taken, end = threading.Event(), threading.Event()

    def hold():
        with lock.held(path, "it", "wait"):
            taken.set()
            end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    try:
        yield end
    finally:
        end.set()
        thread.join()


def owner(path, **changes):
    """A lock of this process as it stands in the file, with changes."""
    with lock.held(path.with_name("other"), "it", "wait"):
        content = json.loads(path.with_name("other").read_text())
    path.write_text(json.dumps(content | changes))


def test_a_second_run_is_refused_in_one_line_that_names_the_first(tmp_path):
    path = tmp_path / "new" / "folder" / ".lock"
    with another_run(path):
        content = json.loads(path.read_text())
        with pytest.raises(lock.LockedError) as refused, lock.held(path, "workdir x", "wait or go elsewhere"):
            raise AssertionError("two writers")
        said = str(refused.value)
        assert said.startswith(f"workdir x is in use by process {os.getpid()} of {content['user']} on")
        assert (
            content["since"] in said and content["host"] in said and said.endswith(": wait or go elsewhere")
        )
        assert "\n" not in said
    assert not list(tmp_path.iterdir()), "neither the lock nor the folders made for it stay"
    with lock.held(path, "workdir x", "wait") as taken:
        assert taken


def test_a_run_may_ask_again_for_what_it_holds(tmp_path):
    with lock.held(tmp_path / "l", "it", "wait"):
        with lock.held(tmp_path / "l", "it", "wait") as again:
            assert not again
        assert (tmp_path / "l").exists()
    assert not (tmp_path / "l").exists()


def test_a_killed_process_is_followed_at_once(tmp_path, capfd):
    path = tmp_path / "l"
    block = f"with lock.held({str(path)!r}, 'it', ''): print(1, flush=True); input()"
    code = f"from actjax.workdir import lock\n{block}"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.read(1) == b"1"
    with pytest.raises(lock.LockedError, match=f"process {process.pid} of"), lock.held(path, "it", "wait"):
        pass
    process.kill()
    # Not yet reaped by its parent, it is dead all the same.
    while lock_owner.started(process.pid) != "ended":
        time.sleep(0.01)
    with lock.held(path, "it", "wait"):
        pass
    process.communicate()
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and f"was in use by process {process.pid}" in said and "taken over" in said


def test_a_process_id_that_was_given_out_again_is_another_process(tmp_path):
    path = tmp_path / "l"
    owner(path)
    with pytest.raises(lock.LockedError), lock.held(path, "it", "wait"):
        pass
    owner(path, started="12")
    with lock.held(path, "it", "wait"):
        pass


@pytest.mark.parametrize("content", ["elsewhere", b"", b"{", b'{"pid": "x"}', b"\xff" * 50])
def test_elsewhere_and_where_nobody_is_named_the_heartbeat_decides(tmp_path, content):
    path = tmp_path / "l"
    if content == "elsewhere":
        owner(path, machine="another", host="far")
    else:
        path.write_bytes(content)
    with pytest.raises(lock.LockedError, match="last sign of life 0 s ago"), lock.held(path, "it", "wait"):
        pass
    then = time.time() - lock.STALE_SECONDS - 60
    os.utime(path, (then, then))
    with lock.held(path, "it", "wait"):
        pass


def test_of_many_that_take_over_one_at_a_time_holds_it(tmp_path):
    path, inside, seen = tmp_path / "l", [], []
    owner(path, started="12")

    def work():
        with lock.held(path, "it", "wait", wait_seconds=60):
            inside.append(1)
            seen.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 6 and not list(tmp_path.iterdir())


def test_a_run_that_died_over_a_takeover_keeps_nobody_out(tmp_path):
    path = tmp_path / "l"
    owner(path, started="12")
    guard = tmp_path / "l.takeover"
    guard.touch()
    os.utime(guard, (0, 0))
    with lock.held(path, "it", "wait"):
        assert not guard.exists()


def test_waiting_ends_when_the_other_is_done(tmp_path, capfd):
    path = tmp_path / "l"
    with another_run(path) as end:
        with pytest.raises(lock.LockedError), lock.held(path, "it", "wait", wait_seconds=0.1):
            pass
        threading.Timer(0.2, end.set).start()
        with lock.held(path, "it", "wait", wait_seconds=60):
            pass
    assert capfd.readouterr().err.count("waiting for it") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_signal_releases_it(tmp_path, number):
    with pytest.raises(KeyboardInterrupt), lock.held(tmp_path / "l", "it", "wait"):
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert signal.getsignal(number) is signal.SIG_DFL and not list(tmp_path.iterdir())


def test_the_heart_beats_and_puts_back_what_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    path = tmp_path / "l"
    with lock.held(path, "it", "wait"):
        os.utime(path, (0, 0))
        wait(lambda: path.stat().st_mtime > 0)
        path.unlink()
        wait(path.exists)


def test_a_run_that_lost_its_lock_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    path = tmp_path / "l"
    with pytest.raises(lock.LockedError, match="taken over by another"), lock.held(path, "it", "wait"):
        owner(path, machine="another")
        time.sleep(30)
    assert path.exists(), "it is the other's"


def wait(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(lock.os, "open", refuse)
    refused = pytest.raises(OSError, match="cannot write into workdir x: Read-only file system; choose ano")
    with refused, lock.held(tmp_path / "new" / "l", "workdir x", "wait"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", ["all", *lookup.names("stage")])
def test_every_stage_is_refused_in_a_workdir_in_use(tmp_path, stage):
    config = default_config()
    if stage == "import":
        config.weights = str(tmp_path / "w.h5")
        (tmp_path / "w.h5").touch()
    elif stage == "hypotheses":
        config.hypotheses.update({"file": str(ROOT / "configs/outside.csv"), "network": "MTT_vgg"})
    folder, path = tmp_path / "run", str(ROOT / "configs/seeds.py") if stage == "sweep" else None
    frozen = ml_collections.ConfigDict(config)
    with another_run(folder / ".lock"), pytest.raises(lock.LockedError, match=r"workdir .*run is in use by"):
        experiment.run(config=frozen, config_path=path, workdir=str(folder), stage=stage)
    assert not folder.exists()


def test_leftovers_of_dead_runs_go_and_nothing_else(tmp_path):
    gone = ("a/.config.json.12ab.part", "a/scores/.x.parquet.12ab.part", "a/scores/.observations-12ab-0/1")
    gone += ("a/benchmark/metrics/.index.html.12ab.part",)
    gone += ("a/checkpoints/untrained/0.orbax-checkpoint-tmp-3/x", "a/checkpoints/7.orbax-checkpoint-tmp/x")
    stay = ("a/config.json", "a/scores/x.parquet", "a/checkpoints/7/x", "a/seed0/.config.json.12ab.part")
    for name in gone + stay:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    with writer.one_writer(tmp_path / "a"):
        files.write_json(tmp_path / "a" / ".own.part", {})
        with writer.one_writer(tmp_path / "a"):
            assert (tmp_path / "a" / ".own.part").exists(), "a run's own stay while it runs"
    assert not [name for name in gone if (tmp_path / name).exists()]
    assert all((tmp_path / name).exists() for name in stay)
