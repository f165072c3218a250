"""Stops trials that fall behind: asynchronous successive halving.

At rungs, least_steps times powers of `reduction`, a trial is compared with those that have reached the rung
so far, and goes on if it is among the best 1 / reduction of them. Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020.
"""

import dataclasses
import math
from collections.abc import Mapping

from actjax.options import Number

# rung, a step -> trial -> the value that it had there, larger is better.
Rungs = dict[int, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Asha:
    """When trials are stopped.

    Attributes:
      least_steps: no trial is stopped before; the first rung.
      reduction: of the trials at a rung about one in so many goes on.
    """

    least_steps: int
    reduction: int = 3

    def __post_init__(self) -> None:
        """Raises ValueError on counts that cannot be."""
        Number(1, 2**31 - 1, whole=True)("Asha: least_steps", self.least_steps)
        Number(2, 1000, whole=True)("Asha: reduction", self.reduction)

    def rung(self, step: int) -> int | None:
        """The highest rung that a trial of so many steps has reached; None before the first."""
        if step < self.least_steps:
            return None
        power = 0
        while self.least_steps * self.reduction ** (power + 1) <= step:
            power += 1
        return self.least_steps * self.reduction**power

    def goes_on(self, rungs: Rungs, trial: str, step: int, value: float) -> bool:
        """Notes how good a trial is at a step, larger is better, and tells whether it is trained further.

        A trial is judged at the first evaluation at or after each rung, by those that came there before.

        >>> rungs, asha = {}, Asha(10, 2)
        >>> [asha.goes_on(rungs, trial, 10, v) for trial, v in (("a", 0.5), ("b", 0.4), ("c", 0.6))]
        [True, False, True]
        """
        rung = self.rung(step)
        if rung is None:
            return True
        at_rung = rungs.setdefault(rung, {})
        if trial in at_rung:
            return True
        at_rung[trial] = value if math.isfinite(value) else -math.inf
        return self._is_among_best(at_rung, trial)

    def _is_among_best(self, at_rung: Mapping[str, float], trial: str) -> bool:
        values = sorted(at_rung.values(), reverse=True)
        going_on = max(1, len(values) // self.reduction)
        return at_rung[trial] >= values[going_on - 1]
