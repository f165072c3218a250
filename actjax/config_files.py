"""Finds config files: a user's by their path, those that come with actjax by their name."""

import runpy
from pathlib import Path

from actjax import lookup
from actjax.defaults import Config


def folder() -> Path:
    """The folder of the configs that come with actjax.

    In an installed package it lies inside it, in a checkout beside it.
    """
    package = Path(__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def names() -> tuple[str, ...]:
    """The names of the configs that come with actjax, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.py")))


def find(name: str) -> Path:
    """The file of a config: the path itself where there is such a file, else the shipped config of that name.

    Args:
      name: "quickstart", "configs/quickstart.py" or a path.

    Raises:
      ValueError: it is a folder, or there is none; names the shipped ones.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = path.stem if path.parent.name in ("", "configs") and not path.is_absolute() else ""
    if shipped in names():
        return folder() / f"{shipped}.py"
    if path.is_dir():
        raise ValueError("the file is a folder; name a Python file with get_config()")
    near = lookup.suggest(shipped or path.stem, names())
    raise ValueError(f"the file is not there: name a file with get_config(), or a config of actjax; {near}")


def split(spec: str) -> tuple[str, list[str]]:
    """(name, arguments of its get_config) of `name` or `name:argument`."""
    name, colon, argument = spec.partition(":")
    return name, [argument] if colon else []


def load(spec: str) -> Config:
    """Makes the config of a file.

    >>> load("quickstart").model.name
    'vgg'

    Args:
      spec: as in `find`, with what get_config takes behind a colon: "slizovskaia2018:data=gm_instruments".

    Raises:
      ValueError: there is no such file, or it has no get_config().
    """
    name, arguments = split(spec)
    try:
        path = find(name)
    except ValueError as error:
        raise ValueError(f"config {name!r}: {error}") from error
    make = runpy.run_path(str(path)).get("get_config")
    if make is None:
        raise ValueError(f"config {name!r}: the file {path} has no get_config()")
    return make(*arguments)
