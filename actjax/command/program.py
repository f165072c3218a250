"""The program: runs what a command line asks for, and ends in one line where it cannot."""

import contextlib
import functools
import os
import sys
from typing import Any, TextIO, cast

# Before NumPy loads. Its small float64 products and decompositions lose more by threads that wait for each
# other on a busy machine (measured: 53 s against 0.4 s) than they gain; JAX's own threads stay.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from absl import app, flags, logging

from actjax import failures, files, interruption
from actjax.command import flags as ours
from actjax.command import parsing, words


def start_installed() -> None:
    """Runs `actjax` or `python -m actjax`; says how it is used where nothing is asked for."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules of the user's lie where the program is started, as with python -m
    if len(sys.argv) == 1 or sys.argv[1:] == ["help"]:
        print(words.usage(), end="")
        return
    start()


def start() -> None:
    """Runs the command line of this process and ends it with the exit status."""
    with interruption.handled():
        try:
            app.run(main, flags_parser=parsing.parse)
        except KeyboardInterrupt:  # while the command line is read
            sys.exit(parsing.complain(interruption.MESSAGE, interruption.STATUS))


def main(argv: list[str]) -> int:
    """Runs what the flags ask for; returns the exit status."""
    if len(argv) > 1:
        message = f"expected flags only after the command's words, got {argv[1]!r}: write --name=value"
        return parsing.complain(message, failures.USAGE)
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
        # An extension module that is interrupted while it is imported raises an ImportError.
        return _fail(KeyboardInterrupt() if interruption.was_asked() else error)
    return 0


def _fail(error: BaseException) -> int:
    """Says what went wrong; one of several processes tells the others first, and waits for none of them."""
    from actjax import peers

    peers.wait_for_news(error)
    if ours.TRACEBACK.value and not isinstance(error, KeyboardInterrupt) and not peers.are_watched():
        raise error
    status, message = failures.explain(error, ours.WORKDIR.value)
    if peers.are_watched():
        peers.say_end(status, message)
        interruption.end_now(status, message)
    return parsing.complain(message, status)


def _run() -> None:
    # Imported here so that a wrong flag is reported at once, not after JAX has loaded.
    if ours.LIST.value is not None:
        from actjax.command import listing

        print(listing.describe(ours.LIST.value))
        return
    if ours.VERSION.value:
        from actjax.workdir import manifest

        print(", ".join(f"{name} {version}" for name, version in manifest.versions().items() if version))
        return
    from actjax import capacity, compilation, experiment, parallel, peers, precision
    from actjax.kernels import platform

    if ours.CLEAN.value is not None:
        print(experiment.clean(ours.CONFIG.value, ours.CLEAN.value, ours.DATA_DIR.value))
        return
    if _trains_shortly(ours.CONFIG.value, compilation.FEW_STEPS):
        compilation.compile_soon()
    experiment.join_processes(ours.COORDINATOR.value, ours.NUM_PROCESSES.value, ours.PROCESS_ID.value)
    if parallel.on_cpu():
        capacity.keep_freed()
    else:
        capacity.awaken()
    with (
        peers.watched(ours.COORDINATOR.value),
        compilation.kept(ours.COMPILATION_CACHE.value) as programs,
        platform.one_kind(),
    ):
        precision.try_kernels()
        experiment.run(
            config=ours.CONFIG.value,
            config_path=_config_path(),
            workdir=ours.WORKDIR.value,
            stage=ours.STAGE.value,
            data_dir=ours.DATA_DIR.value,
            dry_run=ours.DRY_RUN.value,
            profile=ours.PROFILE.value,
            quick=_options_given() if ours.QUICK.value else None,
            closing=functools.partial(compilation.say, programs),
        )


def _trains_shortly(config: object, most_steps: int) -> bool:
    """Whether a config trains at most so many steps; what is no config is refused later."""
    steps = getattr(getattr(config, "train", None), "steps", None)
    return isinstance(steps, int) and steps <= most_steps


def _options_given() -> list[str]:
    """The names of the options that stand on the command line."""
    named = (one.lstrip("-").partition("=")[0] for one in sys.argv[1:])
    return [name.removeprefix("config.") for name in named if name.startswith("config.")]


def _config_path() -> str:
    """The file that --config names; the flag is ml_collections' and knows it."""
    flag: Any = flags.FLAGS["config"]
    return flag.config_filename
