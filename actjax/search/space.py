"""Draws the variants of a sweep from a space: options, each with a list of values or a distribution."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from actjax.options import COUNT, SEED, Choice
from actjax.search.asha import Asha


@dataclasses.dataclass(frozen=True)
class Axis:
    """The values of one option.

    Attributes:
      kind: "grid", "choice", "uniform" or "log_uniform".
      values: those of a grid or choice; the bounds of a distribution.
    """

    kind: str
    values: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """One value, by chance; of a grid there is nothing to draw."""
        if self.kind == "choice":
            return self.values[int(rng.integers(len(self.values)))]
        low, high = self.values
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def grid(*values: Any) -> Axis:
    """Every value, with every combination of the other grids.

    >>> grid(0, 1).values
    (0, 1)
    """
    return Axis("grid", _some("grid", values))


def choice(*values: Any) -> Axis:
    """One of the values for each trial, all equally likely."""
    return Axis("choice", _some("choice", values))


def uniform(low: float, high: float) -> Axis:
    """A number between low and high, evenly."""
    return Axis("uniform", _bounds("uniform", low, high))


def log_uniform(low: float, high: float) -> Axis:
    """A number between low and high, its logarithm evenly: for learning rates and the like."""
    if not low > 0:
        raise ValueError(f"log_uniform needs bounds above 0, got {low!r} and {high!r}")
    return Axis("log_uniform", _bounds("log_uniform", low, high))


@dataclasses.dataclass(frozen=True)
class Search:
    """A sweep over a space.

    Attributes:
      space: option, such as "train.learning_rate" -> its axis.
      num_samples: how often the grids are gone through; the other axes are drawn anew for each trial.
      metric: what a trial is judged by: "test_accuracy", "loss" or "accuracy" of its best evaluation,
        "findings.<claim>" for a claim's score in findings.json, or "scores.<metric>.<feature>" for the
        strongest score of the trained network's neurons.
      mode: whether "max" or "min" of it is best.
      seed: of the draws.
      asha: early stopping of trials that fall behind, or None.
    """

    space: Mapping[str, Axis]
    num_samples: int = 1
    metric: str = "test_accuracy"
    mode: str = "max"
    seed: int = 0
    asha: Asha | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, one line, on a search that cannot be."""
        if not isinstance(self.space, Mapping) or not self.space:
            raise ValueError(f"Search needs a space {{option: grid(...)}}, got {self.space!r}")
        for option, axis in self.space.items():
            if not isinstance(option, str) or not isinstance(axis, Axis):
                raise ValueError(
                    f"Search: expected grid, choice, uniform or log_uniform for {option!r}, got {axis!r}"
                )
        COUNT("Search: num_samples", self.num_samples)
        SEED("Search: seed", self.seed)
        Choice(("max", "min"))("Search: mode", self.mode)

    def variants(self) -> dict[str, dict[str, Any]]:
        """Name -> option -> value of every trial; the same ones for the same search."""
        grids = {option: axis.values for option, axis in self.space.items() if axis.kind == "grid"}
        drawn = {option: axis for option, axis in self.space.items() if axis.kind != "grid"}
        points = [
            dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())
        ] * self.num_samples
        width = max(2, len(str(len(points) - 1)))
        variants = {}
        for i, point in enumerate(points):
            rng = np.random.default_rng([self.seed, i])
            values = point | {option: axis.draw(rng) for option, axis in drawn.items()}
            # In the space's order, whichever kind of axis an option has.
            variants[f"trial{i:0{width}d}"] = {option: values[option] for option in self.space}
        return variants


def best(values: Mapping[str, float | None], mode: str) -> str | None:
    """The name of the best value; None where there is none."""
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    choose: Callable[..., str] = max if mode == "max" else min
    return choose(known, key=lambda name: known[name]) if known else None


def _some(kind: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError(f"{kind} needs at least one value: {kind}(0.1, 0.2)")
    return values


def _bounds(kind: str, low: Any, high: Any) -> tuple[float, float]:
    numbers = all(isinstance(bound, int | float) and math.isfinite(bound) for bound in (low, high))
    if not numbers or not low < high:
        raise ValueError(f"{kind} needs two numbers, the lower one first, got {low!r} and {high!r}")
    return float(low), float(high)
