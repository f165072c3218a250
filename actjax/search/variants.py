"""Reads a config's get_sweep, and opens a run of each of its variants."""

import re
import runpy
from collections.abc import Mapping
from typing import Any

import ml_collections

from actjax import failures, runs
from actjax.search import objective
from actjax.search.space import Search

_SHAPE = "it returns {name: {option: value}}, such as {'seed1': {'seed': 1}}, or an actjax.search.Search"


def read(run: runs.Run) -> tuple[Mapping[str, Mapping[str, Any]], Search | None]:
    """The changes of each variant by name, and the search that they come from, if it is one.

    Raises:
      ValueError: no get_sweep, or it returns something else; one line.
    """
    asked = _asked(run)
    if not isinstance(asked, Search):
        return _checked(run, asked), None
    objective.check(asked.metric)
    return asked.variants(), asked


def open_variant(run: runs.Run, name: str, changes: Mapping[str, Any]) -> runs.Run:
    """Opens the run of a variant.

    Raises:
      ValueError: it changes what the config has not, or to what cannot be.
    """
    config = ml_collections.ConfigDict(run.config.to_dict())  # else variants would share what is nested
    try:
        config.update_from_flattened_dict(changes)
        return runs.open_run(config, run.workdir / name, config_path=run.config_path, data_dir=run.data_dir)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"get_sweep's variant {name!r} changes what the config has not, or cannot be: "
            f"{failures.said(error)}"
        ) from error


def _asked(run: runs.Run) -> Any:
    """What the config file's get_sweep returns."""
    if run.config_path is None:
        raise ValueError("--stage=sweep needs a config file with get_sweep()")
    path = run.config_path.split(":")[0]
    try:
        make = runpy.run_path(path).get("get_sweep")
        asked = None if make is None else make()
    except Exception as error:
        # Whatever a user's own file raises is said in a line that names it.
        raise ValueError(f"--stage=sweep: get_sweep() of {path} raised {failures.said(error)}") from error
    if make is None:
        raise ValueError(f"--stage=sweep needs get_sweep() in {path}: {_SHAPE}")
    return asked


def _checked(run: runs.Run, variants: Any) -> Mapping[str, Mapping[str, Any]]:
    """Variants by name, which become folders."""
    path = (run.config_path or "").split(":")[0]
    if not isinstance(variants, Mapping) or not variants:
        raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {variants!r}")
    for name, changes in variants.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ValueError(f"get_sweep's names become folders; letters, digits, - _ . only, got {name!r}")
        if not isinstance(changes, Mapping) or not all(isinstance(option, str) for option in changes):
            raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {changes!r} for {name}")
    return variants
