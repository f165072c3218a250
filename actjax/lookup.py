"""Finds plug-ins by file name: to add one is to add a file.

A plug-in is a module in its kind's folder, whose public name has no leading underscore and which
exports a factory named after the kind: `actjax/similarity/metrics/pearson.py` exports `metric`.
"""

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

KINDS = {
    "metric": "actjax.similarity.metrics",
    "feature": "actjax.features",
    "model": "actjax.models",
    "dataset": "actjax.datasets",
    "benchmark": "actjax.benchmark",
    "stage": "actjax.stages",
}
# Modules of those folders that are not plug-ins but public parts of the room.
ROOM_MODULES = {"dataset": ("loader",)}


class UnknownNameError(ValueError):
    """A name that is not in the registry; the message lists the nearest known ones."""


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The sorted plug-in names of a kind, read from the folder without importing any of them."""
    package = importlib.import_module(KINDS[kind])
    found = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    return tuple(sorted(set(found) - set(ROOM_MODULES.get(kind, ()))))


def check(kind: str, name: str) -> None:
    """Raises UnknownNameError, one line with the nearest known names, unless the plug-in exists."""
    if name not in names(kind):
        raise UnknownNameError(f"unknown {kind} {name!r}; {suggest(name, names(kind))}")


def suggest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """'did you mean ...' with the nearest known names, else all of them."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(near) + f"? (known: {', '.join(known)})"
    return "known: " + ", ".join(known)


def factory(kind: str, name: str) -> Callable[..., Any]:
    """The plug-in's factory function, not yet called."""
    check(kind, name)
    return getattr(importlib.import_module(f"{KINDS[kind]}.{name}"), kind)


def load(kind: str, name: str, **hyper: Any) -> Any:
    """Makes the plug-in `name` with keyword-only hyperparameters.

    Raises:
      UnknownNameError: the plug-in, or one of its options, does not exist.
    """
    make = factory(kind, name)
    parameters = inspect.signature(make).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for option in hyper:
            if option not in parameters:
                known = tuple(parameters) or ("none",)
                raise UnknownNameError(f"{kind} {name!r} has no option {option!r}; {suggest(option, known)}")
    return make(**hyper)
