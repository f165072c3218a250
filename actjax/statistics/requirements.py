"""Refusals before the run: what a number of replicates or recordings cannot show.

Each check raises `StatisticsError`, one line that says what was asked, what is there and how many
are needed.
"""

import math
from collections.abc import Mapping

# A bootstrap of fewer recordings than this gives intervals far narrower than their level says.
MIN_BOOTSTRAP_RECORDINGS = 10
# So many bootstrap replicates at least must lie beyond each end of an interval.
MIN_BEYOND_END = 5
MOST_NAMED = 8  # classes, in a refusal


class StatisticsError(ValueError):
    """A test that the data or the settings cannot support; the message is one line."""


def check_replicates(replicates: int, level: float, tests: int = 1) -> None:
    """Refuses R replicates whose smallest p, 1 / (R + 1), exceeds level / tests.

    Args:
      replicates: R, the number of null replicates.
      level: the level that is to be resolved, for example 0.05.
      tests: how many tests share the level by Holm or Bonferroni (1 for max-T and for
        Benjamini-Hochberg on a pooled null, whose resolution is that of the whole family).
    """
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a level lies between 0 and 1, got {level:g}")
    needed = math.ceil(tests / level - 1e-9) - 1
    if replicates < max(needed, 2):
        shared = f" over {tests} tests" if tests > 1 else ""
        raise StatisticsError(
            f"{replicates} replicates give no p-value below {1 / (replicates + 1):.3g}; "
            f"level {level:g}{shared} needs at least {max(needed, 2)} replicates"
        )


def check_recordings(recordings: Mapping[str, int], level: float) -> None:
    """Refuses classes whose recordings allow too few permutations for the level.

    Args:
      recordings: class -> its number of recordings (one entry for an unrestricted permutation).
      level: the smallest p-value that must be possible: the number of different permutations, the
        product of the factorials, must be at least 1 / level.
    """
    alone = sorted(str(name) for name, count in recordings.items() if count < 2)
    if alone:
        more = f" and {len(alone) - MOST_NAMED} more" if len(alone) > MOST_NAMED else ""
        raise StatisticsError(
            "a permutation needs at least 2 recordings in every class; only one in "
            f"{', '.join(alone[:MOST_NAMED])}{more}: "
            "score more recordings or leave the class out"
        )
    # ln(m!) of every class; 1e-9 guards the equality 1 / level == product against rounding.
    total = sum(math.lgamma(count + 1) for count in recordings.values())
    if total < math.log(1 / level) - 1e-9:
        each = next(
            m for m in range(2, 200) if len(recordings) * math.lgamma(m + 1) >= math.log(1 / level) - 1e-9
        )
        raise StatisticsError(
            f"{sum(recordings.values())} recordings in {len(recordings)} classes allow "
            f"{round(math.exp(total))} permutations, so no p-value below {math.exp(-total):.3g}; "
            f"level {level:g} needs {each} recordings in each class"
        )


def check_bootstrap(recordings: int, replicates: int, level: float) -> None:
    """Refuses a bootstrap interval at confidence `level` from too few recordings or replicates."""
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a confidence level lies between 0 and 1, got {level:g}")
    if recordings < MIN_BOOTSTRAP_RECORDINGS:
        raise StatisticsError(
            f"a bootstrap over recordings needs at least {MIN_BOOTSTRAP_RECORDINGS} of them, got {recordings}"
        )
    needed = math.ceil(2 * MIN_BEYOND_END / (1 - level) - 1e-9)
    if replicates < needed:
        raise StatisticsError(
            f"{replicates} bootstrap replicates are too few for a {level:.0%} interval; "
            f"at least {needed} are needed"
        )
