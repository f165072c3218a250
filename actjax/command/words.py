"""Turns the words of a command, as in `actjax run quickstart`, into the flags that mean the same."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from actjax import config_files, lookup
from actjax.workdir import recorded_config

USAGE = """\
actjax: which hand-crafted audio feature does each neuron listen to?

  actjax run quickstart       a first run: renders sounds, trains, scores, reports
  actjax run CONFIG           a config of your own, or one of actjax (actjax list configs)
  actjax run SOUNDS           your sounds: a folder with a folder of files for each class, or a .csv / .jsonl
  actjax run WORKDIR          goes on with what is there, with the config that it was made with
  actjax STAGE WORKDIR        one stage of it: {stages}
  actjax list KIND [NAME]     what there is: {kinds}

Flags follow the words:

  --workdir=DIR               where results go; runs/<name> by default
  --config.OPTION=VALUE       changes an option: --config.train.steps=200
  --dry_run                   says what would run, and how long it would take
  --help                      every flag
"""
MANIFESTS = (".csv", ".jsonl")
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
    return [*stage, *_of_name(named[0] if named else None, flags, sounds=command == "run"), *flags]


def _of_name(name: str | None, flags: Sequence[str], *, sounds: bool) -> list[str]:
    """The flags of what a command names: a workdir, sounds if it may be sounds, or a config."""
    asked = next((one.split("=", 1)[1] for one in flags if one.startswith("--workdir=")), None)
    is_folder = name is not None and Path(name).is_dir()
    workdir = name if is_folder else asked if name is None else None
    if workdir and recorded_config.is_recorded(Path(workdir)):
        made = [] if _has_config(flags) else [f"--config={config_files.folder() / 'of_workdir.py'}:{workdir}"]
        return [*made, *([f"--workdir={workdir}"] if is_folder else [])]
    if name is None:
        return []
    if sounds and (is_folder or name.endswith(MANIFESTS)):
        spec = lookup.format_spec("audio_folder", {"path" if is_folder else "manifest": name})
        place = [] if asked else [f"--workdir=runs/{Path(name).resolve().stem}"]
        return [f"--config.data.name={spec}", *place]
    if is_folder:
        raise ValueError(
            f"{name} is a folder in which no stage ran: name a config, and it by --workdir={name}"
        )
    return [f"--config={name}"]


def _has_config(flags: Sequence[str]) -> bool:
    """Whether a config is named by its flag."""
    return any(one.split("=")[0].lstrip("-") == "config" for one in flags)
