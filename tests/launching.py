"""Starts launch.py and other programs of the tests as processes of their own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What makes a run of the quickstart small, whatever a test adds.
TINY = (
    "--config.data.config=tiny",
    "--config.frontend.n_mels=64",
    "--config.train.batch_size=16",
    "--config.train.warmup_steps=0",
    "--config.score.batch_size=8",
    "--config.findings.untrained=0",
    "--config.report.atlas=False",
)


def start(
    *arguments: str | Path,
    program: Sequence[str] = ("launch.py",),
    devices: int | None = None,
    cwd: Path = ROOT,
    path: Sequence[Path] = (),
    **environment: str,
) -> subprocess.Popen:
    """Starts a program with the package, and the folders of `path`, on its Python path.

    Without `devices` it simulates as many as the tests do.
    """
    found = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))} | environment
    if devices is not None:
        found["XLA_FLAGS"] = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    command = [sys.executable, *program, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=found
    )


def ended(process: subprocess.Popen, timeout: float = 900) -> tuple[int, str, str]:
    """(status, standard output, standard error) of a process that has come to its end."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err


def finish(*processes: subprocess.Popen, timeout: float = 900) -> tuple[str, str]:
    """(standard output, standard error) of the first of processes that must all end well."""
    try:
        results = [ended(process, timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for status, out, err in results:
        assert status == 0, f"{out[-1000:]}\n{err[-3000:]}"
    return results[0][1:]


def launch(workdir: Path, data_dir: Path, *arguments: str, devices: int | None = None) -> subprocess.Popen:
    """Starts launch.py in a workdir and a folder of data."""
    return start(f"--workdir={workdir}", f"--data_dir={data_dir}", *arguments, devices=devices)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Waits until something is there that a process makes."""
    for _ in range(15_000):
        if condition():
            return
        assert process.poll() is None, process.stderr.read()[-3000:]
        time.sleep(0.02)
    raise AssertionError("never came")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
