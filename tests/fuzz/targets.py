"""The kinds of files that users hand to the package, small ones of each, and the readers they reach."""

import fuzzed_arrays
import fuzzed_results
import fuzzed_sounds
import fuzzed_workdir
from fuzzed_workdir import without_pictures
from kinds import Target

__all__ = ["targets", "without_pictures"]


def targets() -> dict[str, Target]:
    """Every kind by name."""
    of_users = fuzzed_sounds.targets() | fuzzed_arrays.targets()
    return of_users | fuzzed_workdir.targets() | fuzzed_results.targets()
