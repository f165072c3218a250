"""Makes the network that a config names: one of the shelf, or `package.module` of the user's."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn

from actjax import failures, lookup
from actjax.activations.linen import AnyNetwork


class ModelSpec(NamedTuple):
    """`model.name`, decoded.

    Attributes:
      name: of the shelf; with a dot, a module of the user's.
      options: as the config gives them.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def is_users(self) -> bool:
        """Says whether it names a module of the user's."""
        return "." in self.name


def model_spec(text: str) -> ModelSpec:
    """Decodes `model.name`."""
    [(name, options)] = lookup.parse_specs(text)
    return ModelSpec(name, options)


def make_module(spec: ModelSpec, num_classes: int, **options: Any) -> nn.Module:
    """Makes the Flax module; `options` give way to those of the spec.

    The user's module exports `model(num_classes, **hyper)`. What it returns is taken as it is if it
    has a method `layers(shape_ft)` like our own networks, else wrapped in an `AnyNetwork`.

    Raises:
      ValueError: there is no such module, it exports no `model`, or that returns no Flax module.
    """
    if spec.is_users:
        return _users_module(spec, num_classes, options)
    return lookup.load("model", spec.name, **{"num_classes": num_classes, **options, **spec.options})


def takes_of(spec: ModelSpec) -> str:
    """What the network takes of a clip: "image" or, if its module says so by an attribute `takes`, "wave".

    Raises:
      ValueError: as `make_module`, or it takes something else.
    """
    takes = getattr(make_module(spec, num_classes=2), "takes", "image")
    if takes not in ("image", "wave"):
        raise ValueError(f"model.name = {spec.name!r}: expected takes = 'image' or 'wave', got {takes!r}")
    return takes


def _users_module(spec: ModelSpec, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    try:
        make = importlib.import_module(spec.name).model
        accepted = inspect.signature(make).parameters
        checked = lookup.checked("model", spec.name, make, {"num_classes": num_classes, **spec.options})
        module = make(**{k: v for k, v in options.items() if k in accepted} | checked)
    except Exception as error:
        # Whatever a user's own code raises is said in a line that names it.
        raise ValueError(
            f"model.name = {spec.name!r}: expected a module on the Python path that exports "
            f"model(num_classes, **hyper); {failures.said(error)}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"model.name = {spec.name!r}: expected model() to return a Flax linen module, got {module!r}"
        )
    return module if hasattr(module, "layers") else AnyNetwork(inner=module)
