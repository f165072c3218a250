"""Finds config files: a user's by their path, those that come with actjax by their name."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actjax import lookup
from actjax.defaults import Config
from actjax.workdir import recorded_config

# How the name of a list of sounds ends.
MANIFESTS = (".csv", ".jsonl")
_SOUNDS = "a folder of sounds, a .csv or .jsonl that lists them"


class Place(NamedTuple):
    """What a run is asked for by one name.

    Attributes:
      config: a spec as `load` takes it; None for the quickstart.
      options: of the config, that the name changes.
      workdir: where results go; None for the default, `workdir_of` the config's name.
    """

    config: str | None = None
    options: Mapping[str, Any] = {}
    workdir: str | None = None


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
      ValueError: it is a folder, no Python file, or there is none; names the shipped ones.
    """
    path = Path(name)
    if path.is_file() and path.suffix not in ("", ".py"):
        raise ValueError(f"the file is no Python file: name one with get_config(), {_SOUNDS}")
    if path.is_file():
        return path
    shipped = path.stem if path.parent.name in ("", "configs") and not path.is_absolute() else ""
    if shipped in names():
        return folder() / f"{shipped}.py"
    if path.is_dir():
        raise ValueError("the file is a folder; name a Python file with get_config()")
    near = lookup.suggest(shipped or path.stem, names())
    raise ValueError(
        f"the file is not there: name a file with get_config(), {_SOUNDS}, or a config of actjax; {near}"
    )


def workdir_of(name: str, *, quick: bool) -> str:
    """Where results go if nobody says where: a look is kept apart from the run.

    >>> workdir_of("my_sounds", quick=True)
    'runs/my_sounds_quick'
    """
    return f"runs/{name}{'_quick' if quick else ''}"


def place(name: str | None, workdir: str | None = None, *, sounds: bool = True, quick: bool = False) -> Place:
    """What a name stands for: a workdir in which a stage ran, sounds, or a config.

    >>> place("quickstart")
    Place(config='quickstart', options={}, workdir=None)

    Args:
      name: a workdir; a folder of sounds or a .csv or .jsonl that lists them; a config's name or path; None
        for what the workdir was made with, or the quickstart.
      workdir: where results are asked to go.
      sounds: whether it may be sounds.
      quick: whether it is for a look, see `workdir_of`.

    Raises:
      ValueError: a folder that can be neither.
    """
    is_folder = name is not None and Path(name).is_dir()
    workdir_asked = name if is_folder else workdir if name is None else None
    if workdir_asked and recorded_config.is_recorded(Path(workdir_asked)):
        return Place(f"{folder() / 'of_workdir.py'}:{workdir_asked}", workdir=workdir_asked)
    if name is None:
        return Place(workdir=workdir)
    if sounds and (is_folder or name.endswith(MANIFESTS)):
        spec = lookup.format_spec("audio_folder", {"path" if is_folder else "manifest": name})
        path = Path(name).resolve()
        where = workdir or workdir_of(path.name if is_folder else path.stem, quick=quick)
        return Place(options={"data.name": spec}, workdir=where)
    if is_folder:
        raise ValueError(
            f"{name} is a folder in which no stage ran: name a config, and it by --workdir={name}"
        )
    return Place(name, workdir=workdir)


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
