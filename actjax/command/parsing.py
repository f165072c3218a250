"""Parses a command line; a wrong word, flag or option of the config is explained in one line."""

import difflib
import runpy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from absl import flags

from actjax import config_files, failures, files
from actjax.command import words

QUICKSTART = "quickstart"


def parse(argv: list[str]) -> list[str]:
    """Parses the command line, whose words become flags in place; a mistake ends the program with one line.

    Args:
      argv: the program's name and its arguments, `sys.argv` itself: ml_collections reads the options of the
        config from there.
    """
    try:
        argv[1:] = words.to_flags(argv[1:])
        _name_config(argv)
        return flags.FLAGS(argv)
    except Exception as error:  # a config file may raise anything
        message = _explain(argv, error)
    sys.exit(complain(message, failures.USAGE))


def complain(message: str, status: int) -> int:
    """Prints an error as one line; returns the exit status."""
    print(f"error: {files.printable(' '.join(message.split()))}", file=sys.stderr)
    return status


def _name_config(argv: list[str]) -> None:
    """Puts the path of the config's file in place of its name; raises ValueError unless there is one.

    The quickstart's is not the flag's default: that would be parsed, overrides and all, before errors can
    be caught.
    """
    specs = _values(argv, "config")
    if len(specs) > 1:
        raise ValueError(f"--config is given {len(specs)} times ({', '.join(specs)}): give one")
    name, arguments = config_files.split(specs[0] if specs else QUICKSTART)
    try:
        path = config_files.find(name)
    except ValueError as error:
        raise ValueError(f"--config={name}: {error}") from error
    spec = ":".join([str(path), *arguments])
    if not specs:
        argv.insert(1, f"--config={spec}")
        return
    for i, one in enumerate(argv):
        if one.startswith(("--config=", "-config=")):
            argv[i] = f"--config={spec}"
        elif one in ("--config", "-config"):
            argv[i + 1] = spec


def _explain(argv: list[str], error: Exception) -> str:
    """What is wrong with a command line: a word, the config file, a key of it and the nearest, or a flag."""
    named = _values(argv, "config")
    ours = isinstance(error, ValueError) and not isinstance(error, flags.Error)
    if ours and (not named or "--config" in str(error) or (argv[1:2] and not argv[1].startswith("-"))):
        return str(error)
    path, _, argument = (named or [QUICKSTART])[-1].partition(":")
    try:
        make = runpy.run_path(path).get("get_config")
        if make is None:
            return f"--config={path}: the file has no get_config()"
        known = list(_keys(make(argument) if argument else make()))
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
