"""Command line of actjax: trains a network, scores its neurons against audio features, reports.

python launch.py                                        # the quickstart, all stages
python launch.py --config=configs/quickstart.py --workdir=runs/mine --config.train.steps=200
python launch.py --workdir=runs/mine --stage=score --config.score.metrics=pearson,cka
python launch.py --list=metrics
"""

import contextlib
import difflib
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO, cast

# Before NumPy loads. Its small float64 products and decompositions lose more by threads that wait for each
# other on a busy machine (measured: 53 s against 0.4 s) than they gain; JAX's own threads stay.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from absl import app, flags, logging
from ml_collections import config_flags

from actjax import failures, files, interruption

QUICKSTART = "configs/quickstart.py"
CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A file with get_config(); the quickstart by default."
)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; runs/<config's name> by default.")
STAGE = flags.DEFINE_string("stage", "all", "all (data, train, score, findings, report) or one stage.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where prepared data sets live; TFDS's default otherwise.")
LIST = flags.DEFINE_enum(
    "list", None, ["metrics", "features", "models", "datasets", "stages"], "Print what there is, and exit."
)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would run (pairs, memory, disk, time), and exit.")
COMPILATION_CACHE = flags.DEFINE_string(
    "compilation_cache", None, "Where compiled programs are kept; 'off'; the user's cache folder otherwise."
)
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, or 'auto' (Slurm, TPU pods).")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes run together.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "This process's number, from 0.")
TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")


def main(argv: list[str]) -> int:
    """Runs what the flags ask for; returns the exit status."""
    if len(argv) > 1:
        return _complain(f"expected flags only, got {argv[1]!r}: write --name=value", failures.USAGE)
    logging.set_verbosity(logging.WARNING)
    try:
        printable = contextlib.redirect_stdout(cast(TextIO, files.PrintableStream(sys.stdout)))
        with interruption.ends_in_time(), printable:
            _run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failures.BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        return _fail(error)
    return 0


def _fail(error: BaseException) -> int:
    """Says what went wrong; one of several processes tells the others first, and waits for none of them."""
    from actjax import peers

    peers.wait_for_news(error)
    status, message = failures.explain(error, WORKDIR.value)
    if peers.are_watched():
        peers.say_end(status, message)
        interruption.end_now(status, files.printable(message))
    if TRACEBACK.value and not isinstance(error, KeyboardInterrupt):
        raise error
    return _complain(message, status)


def _run() -> None:
    # Imported here so that a wrong flag is reported at once, not after JAX has loaded.
    from actjax import compilation, experiment, peers

    if LIST.value:
        print(experiment.listing(LIST.value))
        return
    experiment.join_processes(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    host = experiment.coordinator_host()
    with peers.watched(host), compilation.kept(COMPILATION_CACHE.value) as programs:
        experiment.run(
            config=CONFIG.value,
            config_path=_config_path(),
            workdir=WORKDIR.value,
            stage=STAGE.value,
            data_dir=DATA_DIR.value,
            dry_run=DRY_RUN.value,
        )
        compilation.say(programs)


def _config_path() -> str:
    """The file that --config names; the flag is ml_collections' and knows it."""
    flag: Any = flags.FLAGS["config"]
    return flag.config_filename


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; a wrong flag or config key ends the program with one line."""
    if not _values(argv, "config"):
        # Not the flag's default: that would be parsed, overrides and all, before errors can be caught.
        argv.insert(1, f"--config={QUICKSTART}")
    try:
        _check_config_file(_values(argv, "config"))
        return flags.FLAGS(argv)
    except Exception as error:  # a config file may raise anything
        message = _explain(argv, error)
    sys.exit(_complain(message, failures.USAGE))


def _check_config_file(values: list[str]) -> None:
    """Raises ValueError unless one config file is named, and there is one."""
    if len(values) > 1:
        raise ValueError(f"--config is given {len(values)} times ({', '.join(values)}): give one")
    name = values[0].partition(":")[0]
    if not os.path.isfile(name):
        what = "is a folder" if os.path.isdir(name) else "is not there"
        raise ValueError(f"--config={name}: the file {what}; name a Python file with get_config()")


def _explain(argv: list[str], error: Exception) -> str:
    """What is wrong with the command line: the config file, a key of it and the nearest, or a flag."""
    if isinstance(error, ValueError) and not isinstance(error, flags.Error) and "--config" in str(error):
        return str(error)
    path, _, argument = _values(argv, "config")[-1].partition(":")
    try:
        make = runpy.run_path(path).get("get_config")
        if make is None:
            return f"--config={path}: the file has no get_config()"
        config = make(argument) if argument else make()
        known = list(_keys(config))
    except BaseException as broken:  # the file itself is at fault, and says how
        if isinstance(broken, KeyboardInterrupt):
            raise
        return f"cannot read the config {path}: {failures.said(broken)}"
    for option in argv[1:]:
        key = option.lstrip("-").split("=")[0].removeprefix("config.")
        if option.lstrip("-").startswith("config.") and key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.4)
            return f"unknown option --config.{key}; nearest: {', '.join(near or known)}"
    return str(error) if isinstance(error, flags.Error) else failures.said(error)


def _values(argv: list[str], name: str) -> list[str]:
    """The values given to a flag, as --name=value or --name value."""
    values = [a.split("=", 1)[1] for a in argv[1:] if a.startswith((f"--{name}=", f"-{name}="))]
    return values + [b for a, b in zip(argv[1:], argv[2:], strict=False) if a in (f"--{name}", f"-{name}")]


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of all options, "train.steps" say."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if hasattr(value, "items"):
            yield from _keys(value, f"{prefix}{key}.")


def _complain(message: str, status: int) -> int:
    print(f"error: {files.printable(' '.join(message.split()))}", file=sys.stderr)
    return status


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
