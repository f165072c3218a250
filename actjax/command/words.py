"""Turns the words of a command, as in `actjax run quickstart`, into the flags that mean the same."""

import itertools
from collections.abc import Sequence

from actjax import config_files, lookup

USAGE = """\
actjax: which hand-crafted audio feature does each neuron listen to?

  actjax run quickstart       a first run: renders sounds, trains, scores, reports
  actjax run CONFIG           a config of your own, or one of actjax (actjax list configs)
  actjax run SOUNDS           your sounds: a folder with a folder of files for each class, or a .csv / .jsonl
  actjax run WORKDIR          goes on with what is there, with the config that it was made with
  actjax STAGE WORKDIR        one stage of it: {stages}
  actjax list KIND [NAME]     what there is: {kinds}

Flags follow the words:

  --workdir=DIR               where results go; runs/<name> by default, of a look runs/<name>_quick
  --config.OPTION=VALUE       changes an option: --config.train.steps=200
  --quick                     a short run for a look: fewer steps, features and replicates
  --dry_run                   says what would run, and how long it would take
  --help                      every flag
"""
KINDS = ("metrics", "features", "models", "datasets", "stages", "benchmarks", "configs")


def usage() -> str:
    """What `actjax` says when it is asked for nothing."""
    return USAGE.format(stages=", ".join(lookup.names("stage")), kinds=", ".join(KINDS))


def to_flags(arguments: Sequence[str]) -> list[str]:
    """Flags for the words that a command begins with, then its own flags as they are.

    >>> to_flags(["list", "metrics", "cka", "--traceback"])
    ['--list=metrics:cka', '--traceback']

    Raises:
      ValueError: a word that is no command, or too many; one line.
    """
    words = list(itertools.takewhile(lambda one: not one.startswith("-"), arguments))
    flags = list(arguments[len(words) :])
    if not words:
        return flags
    command, *named = words
    known = ("run", "list", *lookup.names("stage"))
    if command not in known:
        near = lookup.suggest(command, known)
        raise ValueError(f"expected a command, then flags --name=value, got {command!r}; {near}")
    if len(named) > (2 if command == "list" else 1):
        takes = "a kind and a name" if command == "list" else "one name"
        raise ValueError(f"{command} takes {takes}, got {' '.join(named)}: flags are --name=value")
    if command == "list":
        return [f"--list={':'.join(named)}", *flags]
    stage = [] if command == "run" else [f"--stage={command}"]
    return [*stage, *_place(named[0] if named else None, flags, sounds=command in ("run", "data")), *flags]


def _place(name: str | None, flags: Sequence[str], *, sounds: bool) -> list[str]:
    """The flags of what a command names."""
    flag_values = _values(flags)
    quick = flag_values.get("quick", "false").lower() in ("", "true", "t", "1")
    place = config_files.place(name, flag_values.get("workdir"), sounds=sounds, quick=quick)
    named = [] if place.config is None or "config" in flag_values else [f"--config={place.config}"]
    options = [f"--config.{option}={value}" for option, value in place.options.items()]
    where = [] if place.workdir is None or "workdir" in flag_values else [f"--workdir={place.workdir}"]
    return [*named, *options, *where]


def _values(flags: Sequence[str]) -> dict[str, str]:
    """Flag -> its value, which stands behind "=" or is the next argument, as --workdir runs/mine."""
    values = {}
    for flag, following in itertools.pairwise([*flags, "-"]):
        name, equals, value = flag.partition("=")
        if flag.startswith("-"):
            values[name.lstrip("-")] = value if equals or following.startswith("-") else following
    return values
