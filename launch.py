"""Command line of actjax: trains a network, scores its neurons against audio features, reports.

python launch.py                                        # the quickstart, all stages
python launch.py --config=configs/quickstart.py --workdir=runs/mine --config.train.steps=200
python launch.py --workdir=runs/mine --stage=score --config.score.metrics=pearson,cka
python launch.py --list=metrics
"""

import difflib
import os
import runpy
import sys

# Before NumPy loads. Its small float64 products and decompositions lose more by threads that wait for each
# other on a busy machine (measured: 53 s against 0.4 s) than they gain; JAX's own threads stay.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from absl import app, flags, logging
from ml_collections import config_flags

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
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, or 'auto' (Slurm, TPU pods).")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes run together.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "This process's number, from 0.")
TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")


def main(argv: list[str]) -> int:
    """Runs what the flags ask for; returns the exit status."""
    if len(argv) > 1:
        return _complain(f"expected flags only, got {argv[1]!r}: write --name=value")
    logging.set_verbosity(logging.WARNING)
    # Imported here so that a wrong flag is reported at once, not after JAX has loaded.
    from actjax import experiment

    try:
        if LIST.value:
            print(experiment.listing(LIST.value))
            return 0
        if COORDINATOR.value or NUM_PROCESSES.value:
            experiment.join_processes(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
        experiment.run(
            config=CONFIG.value,
            config_path=flags.FLAGS["config"].config_filename,
            workdir=WORKDIR.value,
            stage=STAGE.value,
            data_dir=DATA_DIR.value,
            dry_run=DRY_RUN.value,
        )
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on from here", status=130)
    except (ValueError, OSError, ImportError) as error:  # an ImportError names the extra to install
        if TRACEBACK.value:
            raise
        return _complain(" ".join(str(error).split()))
    return 0


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; a wrong flag or config key ends the program with one line."""
    if not any(a.startswith(("--config=", "-config=")) or a in ("--config", "-config") for a in argv[1:]):
        # Not the flag's default: that would be parsed, overrides and all, before errors can be caught.
        argv.insert(1, f"--config={QUICKSTART}")
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        # A config file that raised comes with its whole traceback; its last line says what is wrong.
        message = str(error).strip().split("\n")[-1] if "Traceback" in str(error) else str(error)
    except Exception as error:  # a config file may raise anything
        message = _explain(argv, error)
    sys.exit(_complain(" ".join(message.split()), status=2))


def _explain(argv: list[str], error: Exception) -> str:
    """Names the config key at fault, and the nearest that exist."""
    path, _, argument = _option(argv, "config").partition(":")
    try:
        make = runpy.run_path(path)["get_config"]
        known = list(_keys(make(argument) if argument else make()))
    except Exception as broken:  # the file itself is at fault, and says how
        return f"cannot read the config {path}: {type(broken).__name__}: {broken}"
    for option in argv[1:]:
        key = option.lstrip("-").split("=")[0].removeprefix("config.")
        if option.lstrip("-").startswith("config.") and key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.4)
            return f"unknown option --config.{key}; nearest: {', '.join(near or known)}"
    return f"{type(error).__name__}: {error}"


def _option(argv: list[str], name: str) -> str:
    """The last value given to a flag, as --name=value or --name value."""
    values = [a.split("=", 1)[1] for a in argv if a.lstrip("-").startswith(f"{name}=")]
    values += [b for a, b in zip(argv, argv[1:], strict=False) if a.lstrip("-") == name]
    return values[-1]


def _keys(config, prefix: str = ""):
    for key, value in config.items():
        yield f"{prefix}{key}"
        if hasattr(value, "items"):
            yield from _keys(value, f"{prefix}{key}.")


def _complain(message: str, status: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
