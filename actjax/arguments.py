"""Options of a function by its annotations: a value of another kind is refused in one line.

A whole number does for a float and a list for a tuple; a float does not do for a whole number.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from actjax.options import RANGES, Flag, Number, Rule, Text, shown


def checked(what: str, make: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks options for a function, each by its annotation and its range.

    Args:
      what: whose options these are, for the message: "rms".
      make: the function.
      options: option -> value.

    Raises:
      ValueError: a value of another kind, or out of its range; one line.
    """
    parameters = inspect.signature(make, eval_str=True).parameters
    ranges = RANGES | getattr(inspect.getmodule(make), "RANGES", {})
    out = {}
    for option, value in options.items():
        name = f"{what}({option}=...)"
        if option in parameters:  # else it is one of **options
            value = _of_kind(name, parameters[option].annotation, value)
        out[option] = value if value is None or option not in ranges else _ranged(name, ranges[option], value)
    return out


def _ranged(name: str, rule: Rule, value: Any) -> Any:
    """Checks a value by its rule; of a tuple every item."""
    return tuple(rule(name, one) for one in value) if isinstance(value, tuple) else rule(name, value)


def _of_kind(name: str, annotation: Any, value: Any) -> Any:
    """Converts a value to the annotation's kind."""
    if annotation in (Any, inspect.Parameter.empty):
        return value
    kinds = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    for kind in kinds:
        try:
            return _of_one_kind(kind, value)
        except (TypeError, ValueError, OverflowError):
            continue
    expected = " or ".join(_kind_name(kind) for kind in kinds)
    raise ValueError(f"{name} must be {expected}, got {shown(value)}")


def _of_one_kind(kind: Any, value: Any) -> Any:
    """Converts a value to one kind; raises one of three errors if it is none."""
    origin, items = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind is types.NoneType and value is None:
        return None
    if kind in (bool, str):
        return Flag()("", value) if kind is bool else Text()("", value)
    if kind in (int, float):
        return Number(-(2**63), 2**63, whole=True)("", value) if kind is int else Number()("", value)
    if origin in (tuple, list, Sequence, Iterable) and isinstance(value, Iterable):
        if isinstance(value, str | bytes | Mapping):
            raise TypeError("a string is no list")
        to_list = getattr(value, "tolist", None)
        listed = tuple(value if to_list is None else to_list())
        if not listed:
            raise ValueError("an empty list")
        of_each = items[:1] * len(listed) if origin is not tuple or items[-1:] == (...,) else items
        return tuple(_of_kind("", one, item) for one, item in zip(of_each, listed, strict=True))
    if isinstance(origin, type) and origin not in (tuple, list) and isinstance(value, origin):
        return value
    raise TypeError("of another kind")


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _kind_name(kind: Any) -> str:
    names = {bool: "True or False", int: "a whole number", float: "a finite number", str: "a string"}
    if kind is types.NoneType:
        return "None"
    items = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and ... not in items:
        return f"({', '.join(_kind_name(one) for one in items)})"
    if items and typing.get_origin(kind) in (tuple, list, Sequence, Iterable):
        return f"a list ({_kind_name(items[0])}, ...)"
    return names.get(kind, getattr(kind, "__name__", str(kind)))
