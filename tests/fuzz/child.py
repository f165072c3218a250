"""Hands mutated files to the package's readers, in a process of its own, and judges how each ends.

    python tests/fuzz/child.py "activations npz" 17            # one input again, with its traceback
    python tests/fuzz/child.py --folder=FOLDER --inputs=3000   # as the test does: one JSON line an input

Input i is of kind i modulo the number of kinds, with the seed i // that number: the same bytes each time, but
for checkpoints, whose files Orbax names anew.
"""

import argparse
import faulthandler
import importlib
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
ROOT = Path(__file__).parents[2]
SECONDS, BYTES = 10, 3 * 2**30
MESSAGE = 1500  # characters: one line, not a file's content
# What a reader has no business with. A pickle names its functions by find_class before anything is run.
FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "socket.connect",
    "marshal.load",
)
HARMLESS = (("builtins", "object"),)  # TensorBoard's writer hands events to its thread pickled
WRITES = ("os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.rename", "os.link", "os.truncate")


class Watch:
    """Sees what the process does beside reading: code from a file, commands, writes outside a folder."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def __call__(self, folder: Path) -> None:
        self.folder, self.seen = os.path.realpath(folder), []

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        code = event in FORBIDDEN and args not in HARMLESS and "tensorboardX" not in str(args[0])
        if code or (event == "subprocess.Popen" and "ffmpeg" not in str(args[0])):
            self.seen.append(f"{event} {args[:2]}")
        elif event == "open" and args[2] and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            self._check(event, args[0])
        elif event in WRITES:
            self._check(event, args[0], args[-1])

    def _check(self, event: str, path: Any, beside: int = -1) -> None:
        if isinstance(path, int) or path is None:
            return
        # Removing a tree names its files beside an opened folder.
        place = os.readlink(f"/proc/self/fd/{beside}") if isinstance(beside, int) and beside > 0 else ""
        full = os.path.realpath(os.path.join(place, os.fsdecode(path)))
        if (
            not full.startswith((self.folder + os.sep, "/dev/", f"/proc/{os.getpid()}/"))
            and full != self.folder
        ):
            self.seen.append(f"{event} of {full}")


def prepare(folder: Path, target: Any, kind: str, seed: int) -> tuple[Path, Path]:
    """(the folder of an input, the file in it that was changed)."""
    import numpy as np

    made = copy(folder, target)
    rng = np.random.default_rng([seed, *kind.encode()])
    path = pick(rng, sorted(made.glob(target.files)))
    change(rng, target, path)
    return made, path


def copy(folder: Path, target: Any) -> Path:
    """A fresh copy of a kind's good files, beside them: prepared data belong to sounds beside them."""
    make = getattr(target.make, "func", target.make)
    options = getattr(target.make, "keywords", {})
    good = folder / "good" / " ".join([make.__name__, *options.values()])
    made = folder / "good" / "input"
    if not good.exists():
        target.make(good)
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(good, made, symlinks=True)
    return made


def pick(rng: Any, paths: list[Path]) -> Path:
    return paths[int(rng.integers(len(paths)))]


def change(rng: Any, target: Any, path: Path) -> None:
    """Changes a file, drawing again where a change has nothing to hold on to."""
    from mutations import Unfit

    kept = path.with_name("kept aside")
    for _ in range(50):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
        try:
            target.change(rng, path)
            return
        except (Unfit, KeyError, ValueError, TypeError, OSError, RuntimeError):
            # A library refused to write what was drawn.
            (shutil.rmtree if path.is_dir() else os.unlink)(path)
            kept.rename(path)
        finally:
            if kept.exists():
                (shutil.rmtree if kept.is_dir() else os.unlink)(kept)
    raise AssertionError(f"nothing in {path} could be changed")


def judge(
    folder: Path, target: Any, kind: str, seed: int, watch: Watch, *, limit_s: float, show: bool = False
) -> dict[str, Any]:
    """How one input ends: {"kind", "seed", "end", "faults", "message", "seconds"}."""
    made, path = prepare(folder, target, kind, seed)
    outside = listing(folder, made)
    watch(made)
    faulthandler.dump_traceback_later(limit_s, exit=True)
    start, faults, message, end = time.perf_counter(), [], "", "result"
    try:
        target.read(made)
    except Exception as error:
        end, message = type(error).__name__, str(error)
        faults = refusal_faults(error, path, made)
        if show:
            traceback.print_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
        watch.folder = None
    faults += watch.seen
    faults += [f"left outside: {name}" for name in sorted(listing(folder, made) - outside)]
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > BYTES:
        faults.append("took over 3 GiB")
    seconds = time.perf_counter() - start
    return {
        "kind": kind,
        "seed": seed,
        "end": end,
        "faults": faults,
        "message": message[:600],
        "seconds": seconds,
    }


def refusal_faults(error: BaseException, path: Path, made: Path) -> list[str]:
    """What a refusal lacks: a kind that launch.py prints as one line, the file's name, a bound on memory."""
    text, faults = str(error), []
    if not isinstance(error, (ValueError, OSError)):
        faults.append("a traceback for users")
    if not text.isprintable() or len(text) > MESSAGE:
        faults.append("not one line that prints")
    # In a folder of many files the folder's own name is the user's.
    names = {path.name, *(p.name for p in path.rglob("*"))}
    if path.name == "config.json":
        names.add("was made with another config")
    if not any(name in text for name in names):
        faults.append(f"does not name {path.relative_to(made)}")
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, MemoryError) or "unable to allocate" in str(cause).lower():
            faults.append(f"asked for too much memory: {cause}"[:200])
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, MemoryError):
        faults.append("asked for too much memory")
    return faults


def listing(folder: Path, made: Path) -> set[str]:
    """Every file and folder but those of the input."""
    found = set()
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if here / name != made and (here / name).name != "caches"]
        found |= {str((here / name).relative_to(folder)) for name in (*folders, *files)}
    return found


def altered(folder: Path, target: Any, kind: str, seed: int, expected: Any) -> list[str]:
    """Flips bits where the format has a checksum: what is read is what was written, or nothing."""
    import numpy as np
    from mutations import flips

    if not target.checked:
        return []
    made = copy(folder, target)
    rng = np.random.default_rng([seed, 1, *kind.encode()])
    path = pick(rng, sorted(made.glob(target.files)))
    if path.is_dir():
        path = pick(rng, sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size))
    path.write_bytes(flips(rng, path.read_bytes()))
    try:
        found = target.read(made)
    except Exception:
        return []  # how it was refused is judged elsewhere
    return [] if found == expected else [f"flipped bits of {path.relative_to(made)} came back as values"]


def limit_memory() -> None:
    """3 GiB in all, beside what the threads have reserved: beyond them Python raises MemoryError."""
    status = Path("/proc/self/status").read_text()
    [held] = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData")]
    resource.setrlimit(resource.RLIMIT_DATA, (held + BYTES, held + BYTES))


def main() -> None:
    """One input of a kind and seed, or many, beginning at --first."""
    given = arguments()
    targets = {
        kind: target
        for kind, target in importlib.import_module(given.targets).targets().items()
        if re.fullmatch(given.kinds, kind)
    }
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))).resolve()
    # Readers print and warn; the judgements go to what was the standard output.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    if not given.kind:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    (folder / "here").mkdir(parents=True, exist_ok=True)
    (folder / "secret.h5").write_bytes(b"secret")
    os.chdir(folder / "here")
    faulthandler.enable()
    if given.kind:
        targets = {given.kind: targets[given.kind]}
    elif not given.pictures:
        importlib.import_module("targets").without_pictures()
    watch = Watch()
    # What a reader makes of a good file; besides, all that it imports is there before memory is limited.
    expected = {kind: target.read(copy(folder, target)) for kind, target in targets.items()}
    if "jax" in sys.modules:
        # A program that takes long to compile on a busy machine would be kept: a write outside the folder.
        sys.modules["jax"].config.update("jax_persistent_cache_min_compile_time_secs", float("inf"))
    limit_memory()
    if given.kind:
        options = {"limit_s": given.seconds, "show": True}
        found = judge(folder, targets[given.kind], given.kind, given.seed, watch, **options)
        print(json.dumps(found, indent=1), file=out)
        print(f"the file is in {folder / 'good' / 'input'}", file=out)
        return
    for number in range(given.first, given.inputs):
        kind, seed = list(targets)[number % len(targets)], number // len(targets)
        print(json.dumps({"number": number, "kind": kind, "seed": seed}), file=out)
        found = judge(folder, targets[kind], kind, seed, watch, limit_s=given.seconds)
        found["faults"] += altered(folder, targets[kind], kind, seed, expected[kind])
        print(json.dumps(found), file=out)


def arguments() -> argparse.Namespace:
    """Those of the command line."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("kind", nargs="?")
    options.add_argument("seed", nargs="?", type=int, default=0)
    options.add_argument("--folder", type=Path)
    options.add_argument("--inputs", type=int, default=200, help="where to end")
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--kinds", default=".*", help="a regular expression of the kinds taken")
    options.add_argument("--targets", default="targets", help="the module that lists the kinds")
    options.add_argument("--seconds", type=float, default=SECONDS, help="longer is a hang")
    options.add_argument("--pictures", action="store_true", help="also draw the report's")
    return options.parse_args()


if __name__ == "__main__":
    main()
