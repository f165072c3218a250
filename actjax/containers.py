"""Takes arrays as people keep them (NumPy, JAX, PyTorch, pandas, polars) and gives results back likewise.

None of these packages is imported here: what comes from one knows its methods.
"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

NEURON = "neuron"  # names the column of a polars table that holds what the rows are
WHOLE = "all rows"  # names the one column of a metric that takes all rows of a feature as one


class Opened(NamedTuple):
    """An array, and what it came in.

    Attributes:
      values: the array as NumPy or JAX has it, or what came if it is none of the containers.
      kind: "pandas", "polars" or "torch", or "" for what needs no opening.
      names: of its columns, or None.
      source: what came.
    """

    values: Any
    kind: str
    names: tuple[Any, ...] | None
    source: Any


class Sides(NamedTuple):
    """Both sides of a comparison, opened; `give` puts scores into what the sides came in."""

    activations: Opened
    features: Opened

    def give(self, scores: Any) -> Any:
        """Scores [n, k], or a mapping of such, in the container of the activations, else of the features.

        A pandas table has the neurons' names as its index and the features' as its columns; a polars table
        has the neurons' names in its first column; a tensor lies on the activations' device.
        """
        if isinstance(scores, Mapping):
            return {name: self.give(value) for name, value in scores.items()}
        source = self.activations if self.activations.kind else self.features
        if not source.kind:
            return scores
        array = np.asarray(scores)
        if source.kind == "torch":
            return _module(source.source).from_numpy(np.array(array)).to(source.source.device)
        rows = self.activations.names or tuple(range(array.shape[0]))
        columns = self.features.names or tuple(range(array.shape[1]))
        if len(columns) != array.shape[1]:
            columns = (WHOLE,)
        module = _module(source.source)
        if source.kind == "pandas":
            return module.DataFrame(array, index=list(rows), columns=list(columns))
        named = {NEURON: [str(name) for name in rows]}
        return module.DataFrame(named | {str(n): array[:, i] for i, n in enumerate(columns)})


def open_sides(activations: Any, features: Any) -> Sides:
    """Opens both sides of a comparison.

    Raises:
      ValueError: two pandas tables whose rows have different labels: which go together is not said.
    """
    sides = Sides(opened(activations), opened(features))
    tables = {side.kind for side in sides} == {"pandas"} and len(activations) == len(features)
    if tables and not activations.index.equals(features.index):
        raise ValueError(
            "expected activations and features with the same index, got tables whose rows have other "
            "labels or another order: take features.loc[activations.index], or .to_numpy() of both"
        )
    return sides


def opened(values: Any) -> Opened:
    """An array taken out of its container, one column for a series."""
    kind = _kind(values)
    if kind == "torch":
        tensor = values.detach().cpu()
        half = str(tensor.dtype) == "torch.bfloat16"
        return Opened((tensor.float() if half else tensor).numpy(), kind, None, values)
    if kind:
        table = values if hasattr(values, "columns") else values.to_frame()
        return Opened(table.to_numpy(), kind, tuple(table.columns), values)
    return Opened(values, "", None, values)


def like(source: Any, result: Any) -> Any:
    """A result of JAX in the kind of the array that it was computed from: NumPy for lists and NumPy.

    A JAX array, one that is being traced among them, gives one; a tensor gives one on its device.
    """
    if isinstance(source, jax.Array):
        return result
    array = np.array(result)
    return _module(source).from_numpy(array).to(source.device) if _kind(source) == "torch" else array


def labels(values: Any) -> Any:
    """Labels in a tensor as NumPy has them; others, which NumPy reads itself, as they came."""
    return values.detach().cpu().numpy() if _kind(values) == "torch" else values


def _kind(values: Any) -> str:
    """The package that a container comes from, "" for what is none."""
    if values is None or isinstance(values, (np.ndarray, jax.Array)):
        # What most calls bring need not be asked for each package.
        return ""
    for package, names in (("pandas", ("DataFrame", "Series")), ("polars", ("DataFrame", "Series"))):
        if _is_of(values, package) and any(base.__name__ in names for base in type(values).__mro__):
            return package
    return "torch" if _is_of(values, "torch") and hasattr(values, "detach") else ""


def _is_of(values: Any, package: str) -> bool:
    """Whether the type of a value, or one that it derives from, comes from a package."""
    return any(base.__module__.partition(".")[0] == package for base in type(values).__mro__)


def _module(values: Any) -> Any:
    """The package that a container comes from, which is loaded as the container is there."""
    return sys.modules[_kind(values)]
