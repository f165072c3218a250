"""The whole table of an accelerator by one command, within minutes, and where it was left off.

    python -m actjax.benchmark.accelerator --out FOLDER [--sections a,b] [--seconds 480] [--tiny] [--retry]
    python -m actjax.benchmark.accelerator --out FOLDER --sections "" --speed speed.csv

Needs jax, flax, optax and numpy; PyTorch, torchaudio, nnAudio2, flashmel, librosax and himalaya are peers
where they are installed, matplotlib draws the picture. A process of its own measures: what ends it, a row
that takes all memory say, costs that row alone, and the rows after it run in the next process. FOLDER gets
results.jsonl, a line for each row as it comes; table.md; accelerator.png; and compiled/, the programs, so
that a second call compiles nothing. A row that is in results.jsonl is not measured again. The second command
measures nothing: it draws speed.png, the speed benchmark's picture, with the accelerator's lines in it.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import files
from actjax.benchmark.accelerator import picture, rows, scaling, table
from actjax.benchmark.accelerator.worker import SECTIONS
from actjax.benchmark.speed import plot

# What is kept back of the time for the end of a process and for the table.
_RESERVE_S = 10.0
# JAX takes memory as it needs it, so that PyTorch finds some, and up to nearly all there is.
_ENVIRONMENT = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_CLIENT_MEM_FRACTION": "0.92",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def benchmark(
    folder: Path, sections: Sequence[str], *, seconds: float = 480.0, tiny: bool = False, retry: bool = False
) -> list[Path]:
    """Measures what is not there yet of the sections, and writes the table of all that is.

    Args:
      folder: gets the results; it may hold those of an earlier call.
      sections: names, as in SECTIONS.
      seconds: what all of it may take.
      tiny: sizes that a CPU does in seconds.
      retry: measures the rows that failed again.

    Returns:
      The files that were written.

    Raises:
      ValueError: no such section.
    """
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise ValueError(f"expected sections of {', '.join(SECTIONS)}, got {', '.join(unknown)}")
    until = time.time() + seconds - _RESERVE_S
    folder.mkdir(parents=True, exist_ok=True)
    if retry:
        for (section, row), line in rows.latest(rows.read(folder)).items():
            if "failed" in line:
                rows.append(folder, {"section": section, "row": row, "cut_short": True})
    for names in _processes(sections):
        while time.time() < until and (left := _unfinished(folder, names, tiny)):
            _work(folder, names, tiny, until)
            if _unfinished(folder, names, tiny) == left:
                break
    return write(folder)


def write(folder: Path) -> list[Path]:
    """table.md and, where matplotlib is installed, accelerator.png from the results that are there."""
    lines = rows.read(folder)
    latest = rows.latest(lines)
    order = list(SECTIONS)
    latest = dict(sorted(latest.items(), key=lambda item: order.index(item[0][0])))
    command = "python -m actjax.benchmark.accelerator --out FOLDER"
    page = files.write_text(folder / "table.md", table.markdown(lines, latest, SECTIONS.values(), command))
    written = [folder / rows.NAME, page]
    machines: list[Mapping[str, Any]] = [line["machine"] for line in lines if "machine" in line]
    try:
        drawn = picture.draw(latest, machines[-1], folder / "accelerator.png") if machines else None
    except ImportError as error:
        print(f"no picture: {error}")
        drawn = None
    return written + ([drawn] if drawn else [])


def speed_picture(folder: Path, speed_csv: Path) -> Path:
    """Draws the picture of a speed benchmark with the lines of the accelerator beside its own.

    Args:
      folder: with the results of the section scaling; gets speed.png.
      speed_csv: the rows of `actjax.benchmark.speed`.

    Raises:
      ValueError: results without that section, or a table without points of seconds against pairs.
    """
    lines = rows.read(folder)
    curves = scaling.points(rows.latest(lines))
    if not curves:
        raise ValueError(
            f"expected rows of the section scaling in {folder / rows.NAME}, got none; measure it"
        )
    device = [line["machine"]["device"] for line in lines if "machine" in line][-1]
    with speed_csv.open(newline="") as file:
        points = [
            row | {"pairs": float(row["pairs"]), "seconds": float(row["seconds"])}
            for row in csv.DictReader(file)
            if row["part"] == "scaling"
        ]
    if not points:
        raise ValueError(f"expected rows of the part scaling in {speed_csv}, got none; give it max_pairs")
    return plot.draw(points, folder / "speed.png", plot.Accelerator(device, curves))


def _processes(sections: Sequence[str]) -> Iterator[list[str]]:
    """The sections of one process after the other, in the order of the table."""
    together: list[str] = []
    for name in (name for name in SECTIONS if name in sections):
        if SECTIONS[name].alone:
            if together:
                yield together
            yield [name]
            together = []
        else:
            together.append(name)
    if together:
        yield together


def _unfinished(folder: Path, names: Sequence[str], tiny: bool) -> list[tuple[str, str]]:
    done = rows.latest(rows.read(folder))
    every = [(name, row) for name in names for row in SECTIONS[name].builds(tiny)]
    return [key for key in every if key not in done]


def _work(folder: Path, names: Sequence[str], tiny: bool, until: float) -> None:
    """One process that measures; it is ended where it does not end by itself in time."""
    options = ["--out", str(folder), "--sections", ",".join(names), "--until", str(until)]
    command = [sys.executable, "-m", "actjax.benchmark.accelerator.worker", *options]
    worker = subprocess.Popen(command + ["--tiny"] * tiny, env=_environment(folder))
    try:
        worker.wait(until + 0.5 * _RESERVE_S - time.time())
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
        last = rows.read(folder)[-1]
        if "failed" in last:
            print(f"the time is spent: {last['section']}: {last['row']} is cut short", flush=True)
            rows.append(folder, {"section": last["section"], "row": last["row"], "cut_short": True})


def _environment(folder: Path) -> dict[str, str]:
    """That of this process, which goes before what is set here."""
    programs = {"JAX_COMPILATION_CACHE_DIR": str(folder.absolute() / "compiled")}
    environment = {**_ENVIRONMENT, **programs, **os.environ}
    # JAX refuses to start where the share of memory is given under both of its names.
    if "XLA_PYTHON_CLIENT_MEM_FRACTION" in os.environ:
        del environment["XLA_PYTHON_CLIENT_MEM_FRACTION"]
    return environment


def main() -> None:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Makes the table of an accelerator.")
    parser.add_argument("--out", type=Path, required=True, help="a folder for results, table and picture")
    parser.add_argument("--sections", help=f"some of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--seconds", type=float, default=480.0, help="what all of it may take")
    parser.add_argument("--tiny", action="store_true", help="sizes that a CPU does in seconds")
    parser.add_argument("--speed", type=Path, help="a speed.csv of actjax.benchmark.speed, to draw both")
    parser.add_argument("--retry", action="store_true", help="measures rows that failed again")
    arguments = parser.parse_args()
    sections = list(SECTIONS)
    if arguments.sections is not None:
        sections = [name for name in arguments.sections.split(",") if name]
    try:
        written = benchmark(
            arguments.out,
            sections,
            seconds=arguments.seconds,
            tiny=arguments.tiny,
            retry=arguments.retry,
        )
        if arguments.speed:
            written.append(speed_picture(arguments.out, arguments.speed))
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print("\n".join(str(path) for path in written))
