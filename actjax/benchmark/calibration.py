"""Measure how often the nulls reject where there is nothing to find.

    python launch.py --stage=benchmark --config.benchmark.kind=calibration

Five families of null sets, real neurons against clips of other recordings of the same class where the
workdir holds a trained network, and the false discoveries among planted pairs. The report shows the table.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.pages.rows import markdown
from actjax.statistics import calibration, permutations


class Real(NamedTuple):
    """Real neurons with the features of the same clips.

    Attributes:
      x_bon: [b, o, n] neurons.
      y_bok: [b, o, k] feature rows.
      recording_ids, class_ids: [b].
      centre: as in `statistics.nulls.moment_null`.
    """

    x_bon: np.ndarray
    y_bok: np.ndarray
    recording_ids: Sequence[Any]
    class_ids: Sequence[Any]
    centre: str


def benchmark(
    *, real: Mapping[str, Real] | None = None, sets: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """Rows of two kinds, told apart by `check`.

    "rejections": family, null, sets, rate (share of sets with a max-T p below 0.05) and its 95 % interval
    (low, high). "false discoveries": the mean proportion at Benjamini-Hochberg q 0.1 with half of the neurons
    planted, plus and minus two standard errors.

    Args:
      real: name -> neurons of a trained network.
      sets: null sets of each family.
      seed: fixes data and draws.

    Raises:
      StatisticsError: a class of the real clips has too few recordings.
    """
    rates = calibration.table(sets=sets, seed=seed)
    for name, one in (real or {}).items():
        frames = one.x_bon.shape[1] > 1
        mismatched = calibration.mismatched(
            one.x_bon,
            one.y_bok,
            one.recording_ids,
            one.class_ids,
            sets=sets,
            seed=seed,
            # One value a clip has no frames to shift.
            kinds=permutations.NULLS if frames else ("within_class", "unrestricted"),
            centre=one.centre,
        )
        rates += [rate._replace(family=f"mismatched clips, {name}") for rate in mismatched]
    rows = [{"check": "rejections", **rate._asdict()} for rate in rates]
    plants = calibration.false_discoveries(sets=sets, seed=seed)
    bounds = [plants.proportion + side * 2 * plants.std_error for side in (-1, 1)]
    discoveries = {
        "check": "false discoveries",
        "family": "planted pairs, q 0.1",
        "null": "within_class",
        "sets": sets,
        "rate": plants.proportion,
        "low": bounds[0],
        "high": bounds[1],
    }
    return [*rows, discoveries]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Families x nulls as Markdown."""
    nulls = list(dict.fromkeys(row["null"] for row in rows))
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = lines.setdefault(row["family"], {"null sets": row["family"].replace("_", " ")})
        line[row["null"].replace("_", " ")] = f"{row['rate']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
    return markdown(
        list(lines.values()), {n: n for n in ("null sets", *(n.replace("_", " ") for n in nulls))}
    )
