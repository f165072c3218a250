"""Finds plug-ins by file name: to add one is to add a file.

A plug-in is a module in its kind's folder, which
exports a factory named after the kind: `actjax/metrics/pearson.py` exports `metric`. Its options
are checked by their annotations, by the ranges that `options.RANGES` gives to names that plug-ins share, and
by those in a module's own RANGES, {option: rule}.
"""

import ast
import dataclasses
import difflib
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from actjax import arguments, options

# The shelves: folders that hold plug-ins and nothing else.
SHELVES = {
    "metric": "actjax.metrics",
    "feature": "actjax.features",
    "model": "actjax.models",
    "dataset": "actjax.datasets",
}
# What is few and ordered is named here instead.
TABLES = {
    "benchmark": {
        "calibration": "actjax.benchmark.calibration",
        "features": "actjax.benchmark.feature_speed.run",
        "metrics": "actjax.benchmark.metrics.run",
        "speed": "actjax.benchmark.speed.run",
    },
    "stage": {
        "ablate": "actjax.stages.ablate",
        "atlas": "actjax.stages.atlas",
        "benchmark": "actjax.stages.benchmark",
        "data": "actjax.stages.data",
        "findings": "actjax.stages.findings",
        "hypotheses": "actjax.stages.hypotheses",
        "import": "actjax.stages.import_weights",
        "report": "actjax.stages.report",
        "score": "actjax.stages.score",
        "sweep": "actjax.sweep",
        "train": "actjax.stages.train",
    },
}
KINDS = (*SHELVES, *TABLES)


# Packages that a bare installation lacks, and the extra that brings them.
EXTRAS = {
    "h5py": "formats",
    "numcodecs": "formats",
    "google_crc32c": "formats",
    "mirdata": "mirdata",
    "ray": "ray",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "pandas": "notebook",
    "tensorflow": "tensorflow",
}


# Options as librosa names them -> as they are named here, with the unit.
ALIASES = {
    "sr": "sample_rate_hz",
    "hop_length": "hop_samples",
    "win_length": "n_fft",
    "frame_length": "n_fft",
    "fmin": "fmin_hz",
    "fmax": "fmax_hz",
    "duration": "clip_seconds",
}


class UnknownNameError(ValueError):
    """A name that is not in the registry; the message lists the nearest known ones."""


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The sorted names of a kind, read from the folder without importing any plug-in."""
    if kind in TABLES:
        return tuple(sorted(TABLES[kind]))
    package = importlib.import_module(SHELVES[kind])
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__)))


def module(kind: str, name: str) -> ModuleType:
    """The module that a plug-in, a stage or a benchmark lives in."""
    return importlib.import_module(_dotted(kind, name))


def file_of(kind: str, name: str) -> Path:
    """The file of that module, without importing it."""
    return Path(__file__).parent.joinpath(*_dotted(kind, name).split(".")[1:]).with_suffix(".py")


def _dotted(kind: str, name: str) -> str:
    """The name by which the module is imported."""
    check(kind, name)
    return TABLES[kind][name] if kind in TABLES else f"{SHELVES[kind]}.{name}"


def check(kind: str, name: str) -> None:
    """Raises UnknownNameError, one line with the nearest known names, unless the plug-in exists."""
    if not isinstance(name, str):
        raise UnknownNameError(f"expected the name of a {kind}, got {options.shown(name)}")
    if name not in names(kind):
        raise UnknownNameError(f"unknown {kind} {options.shown(name)}; {suggest(name, names(kind))}")


def package(name: str, purpose: str) -> Any:
    """An optional package, or a module of one, imported.

    Args:
      name: of it, a key of EXTRAS before the first dot.
      purpose: what it is needed for, as in "reading HDF5 files"; stands in the message.

    Raises:
      ModuleNotFoundError: it is not installed; one line with the extra to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_package(name.partition(".")[0], purpose) from error


def missing_package(name: str, purpose: str) -> ModuleNotFoundError:
    """The error for an optional package that is not installed."""
    return ModuleNotFoundError(
        f"{purpose} needs the package {name}: pip install 'actjax[{EXTRAS[name]}]'", name=name
    )


def suggest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """'did you mean ...?' with the nearest known names, else all of them; what librosa calls it counts."""
    if ALIASES.get(name) in known:
        return f"did you mean {ALIASES[name]}?"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known: " + ", ".join(known)


def factory(kind: str, name: str) -> Callable[..., Any]:
    """The plug-in's factory function, not yet called."""
    return getattr(module(kind, name), kind)


def options_of(kind: str, name: str) -> tuple[str, ...]:
    """The options that a plug-in's factory takes."""
    return tuple(inspect.signature(factory(kind, name)).parameters)


def load(kind: str, name: str, /, **hyper: Any) -> Any:
    """Makes the plug-in `name` with keyword-only hyperparameters.

    Raises:
      UnknownNameError: the plug-in, or one of its options, does not exist.
      ValueError: an option that has no default is not given, or one is of another kind than its
        annotation or out of its range (see `arguments.checked`).
    """
    make = factory(kind, name)
    try:
        return make(**checked(kind, name, make, hyper))
    except ValueError as error:
        if type(error) is not ValueError or re.search(rf"\b{name}\b", str(error)):
            raise
        raise ValueError(f"{name}: {error}") from error


def checked(kind: str, name: str, make: Callable[..., Any], hyper: dict[str, Any]) -> dict[str, Any]:
    """The options of a plug-in, each as its annotation and its range say; raises as `load` does."""
    parameters = inspect.signature(make).parameters
    known = {n: p for n, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
    for option in hyper:
        # A network of a user's that takes **options knows which they are.
        if option not in known and len(known) == len(parameters):
            raise UnknownNameError(
                f"{kind} {name!r} has no option {option!r}; {suggest(option, tuple(known) or ('none',))}"
            )
    for option, parameter in known.items():
        if parameter.default is parameter.empty and option not in hyper:
            raise ValueError(f"{kind} {name!r} needs the option {option}: {name}({option}=...)")
    return arguments.checked(name, make, hyper)


@dataclasses.dataclass(frozen=True)
class Specs:
    """A comma list of plug-ins with options, as `parse_specs` reads it.

    Attributes:
      most: how many there may be.
    """

    most: int = options.LARGEST

    def __call__(self, name: str, value: Any) -> str:
        """The list as it came; ValueError where it cannot be read, is empty or too long."""
        try:
            count = len(parse_specs(options.Text(some=True)(name, value)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name not in str(error) else str(error)) from error
        if not 1 <= count <= self.most:
            raise ValueError(f"{name} must name {'one' if self.most == 1 else 'at least one'}, got {value!r}")
        return value


def parse_specs(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Reads a comma-separated list of plug-ins with options.

    >>> parse_specs("log_mel, cka(kernel='rbf', debiased=False)")
    [('log_mel', {}), ('cka', {'kernel': 'rbf', 'debiased': False})]

    Raises:
      ValueError: an item is neither `name` nor `name(option=value, ...)` with literal values.
    """
    return [_parse_spec(item) for item in map(str.strip, _split_outside_brackets(text)) if item]


def format_spec(name: str, options: dict[str, Any]) -> str:
    """The inverse of `parse_specs` for one item."""
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in options.items())})" if options else name


def _parse_spec(item: str) -> tuple[str, dict[str, Any]]:
    """(name, options) of one item of a list."""
    match = re.fullmatch(r"([\w.]+)(\(.*\))?", item, flags=re.DOTALL)
    if match is None:
        raise ValueError(f"expected name or name(option=value, ...), got {item!r}")
    if not match[2]:
        return match[1], {}
    try:
        call = ast.parse(f"f{match[2]}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("not a call with keywords alone")
        # A mapping behind ** has no name.
        values = [(str(keyword.arg or ""), ast.literal_eval(keyword.value)) for keyword in call.keywords]
        if not all(name for name, _ in values):
            raise ValueError("options in a mapping")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise ValueError(
            f"options are written name(option=value, ...) with plain values, got {options.shown(item)}"
        ) from None
    options.refuse_repeats(match[1], [name for name, _ in values], 0)
    return match[1], dict(values)


def _split_outside_brackets(text: str) -> list[str]:
    items, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            items.append(text[start:i])
            start = i + 1
    return [*items, text[start:]]
