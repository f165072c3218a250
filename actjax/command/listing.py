"""Lists what there is: a table with headers for each kind, and all that is known of one."""

import ast
import inspect
import shutil
import sys
from collections.abc import Callable

from actjax import config_files, lookup
from actjax.command.words import KINDS
from actjax.pages.table import Table

# Options that the program gives, or that all of a kind share.
GIVEN = {
    "model": ("num_classes", "axis_name"),
    "feature": ("sample_rate_hz", "hop_samples"),
    "dataset": ("data_dir", "clip_seconds", "sample_rate_hz", "seed", "workers"),
}
_UNBOUNDED = 10_000  # columns


def describe(asked: str) -> str:
    """What `--list` prints.

    Args:
      asked: a kind, "metrics" or "metric", or one of it, "metrics:cka".

    Raises:
      ValueError: no such kind.
      UnknownNameError: none of that name.
    """
    kind, _, name = asked.partition(":")
    plural = kind if kind in KINDS else f"{kind}s"
    if plural not in KINDS:
        raise ValueError(f"--list={kind}: expected one of {'|'.join(KINDS)}")
    return one_of(plural.removesuffix("s"), name) if name else table(plural)


def table(plural: str) -> str:
    """The plug-ins of a kind, one a line, under headers; as wide as the terminal, if there is one."""
    kind = plural.removesuffix("s")
    header, row = _COLUMNS.get(kind, (("what it is",), _meaning_alone))
    rows = [(name, *row(kind, name)) for name in names(kind)]
    columns = tuple((name, "<") for name in (kind, *header))
    note = f"All of one: --list={plural}:NAME, or actjax list {plural} NAME"
    return Table(plural.capitalize(), columns, rows, note).text(_width()).rstrip()


def one_of(kind: str, name: str) -> str:
    """All that is known of one: its docstring, and the options of a plug-in with their defaults.

    Raises:
      UnknownNameError: there is none of that name.
    """
    if kind not in lookup.SHELVES:
        return "\n".join([name, "", _head(kind, name)])
    make = lookup.factory(kind, name)
    options = "; ".join(str(one).replace("'", "") for one in inspect.signature(make).parameters.values())
    return "\n".join([name, "", inspect.cleandoc(make.__doc__ or ""), "", f"Options: {options or 'none'}"])


def names(kind: str) -> tuple[str, ...]:
    """The names of a kind, configs among them."""
    return config_files.names() if kind == "config" else lookup.names(kind)


def _metric(kind: str, name: str) -> tuple[str, ...]:
    metric = lookup.load(kind, name)
    low, high, none = metric.range
    return (
        ",".join(metric.views),
        f"{low:g} .. {high:g}, {none:g}",
        _options(kind, name),
        _meaning(kind, name),
    )


def _feature(kind: str, name: str) -> tuple[str, ...]:
    try:
        feature = lookup.load(kind, name)
        shape = f"{feature.rows} x {'frames' if feature.hop_samples else '1'}"
        return shape, feature.unit or feature.axis, _options(kind, name), _meaning(kind, name)
    except ValueError:  # it needs an option
        return "", "", _options(kind, name), _meaning(kind, name)


def _with_options(kind: str, name: str) -> tuple[str, ...]:
    return _options(kind, name), _meaning(kind, name)


def _meaning_alone(kind: str, name: str) -> tuple[str, ...]:
    return (_meaning(kind, name),)


_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[str, str], tuple[str, ...]]]] = {
    "metric": (("views", "range, unrelated", "options", "what it is"), _metric),
    "feature": (("rows x frames", "unit or rows", "options", "what it is"), _feature),
    "model": (("options", "what it is"), _with_options),
    "dataset": (("options", "what it is"), _with_options),
}


def _options(kind: str, name: str) -> str:
    """The names of a plug-in's own options."""
    return " ".join(one for one in lookup.options_of(kind, name) if one not in GIVEN.get(kind, ()))


def _meaning(kind: str, name: str) -> str:
    """The first sentence of what documents it."""
    return _head(kind, name).split("\n")[0]


def _head(kind: str, name: str) -> str:
    """The docstring of its file, which is read and not imported: stages take seconds to import."""
    file = config_files.find(name) if kind == "config" else lookup.file_of(kind, name)
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def _width() -> int:
    """The terminal's columns; enough for everything where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNBOUNDED
