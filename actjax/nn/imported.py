"""A network's variables as they come out of somebody else's file."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Imported(NamedTuple):
    """A network and its variables.

    Attributes:
      hyper: keyword arguments for `lookup.load("model", name, ...)`, num_classes among them.
      variables: NumPy arrays, as `model.apply` takes them.
      report: one line for each of our layers: where its weights came from.
      classes: names of the outputs, where the file's makers say them.
      frontend: fields of `types.Frontend` and their values, without which these weights mean nothing.
    """

    hyper: dict[str, Any]
    variables: dict[str, Any]
    report: tuple[str, ...]
    classes: tuple[str, ...] = ()
    frontend: Mapping[str, Any] = {}
