"""One table over the training seeds of a sweep."""

from pathlib import Path

import numpy as np

from actjax.findings import summary
from actjax.workdir import findings_arrays, findings_table
from actjax.workdir.findings_table import FindingsTable


def join(seeds: list[Path]) -> FindingsTable:
    """One table over the workdirs of several seeds: recordings and seeds are both resampled.

    Raises:
      FileError: a file of the findings of one is damaged.
      ValueError: the seeds' findings were made with different options.
    """
    tables = [findings_table.need(seed) for seed in seeds]
    for seed, table in zip(seeds, tables, strict=True):
        for key in ("options", "clips", "permuted"):
            if table[key] != tables[0][key]:
                raise ValueError(
                    f"{seed} has other findings options than {seeds[0]} ({key}: {table[key]} and "
                    f"{tables[0][key]}): run --stage=findings on both with the same config"
                )
    arrays = [findings_arrays.read(seed) for seed in seeds]
    table = tables[0].copy()
    table["parts"], table["findings"] = summary.conclude(arrays)
    table["seeds"] = [seed for one in tables for seed in one["seeds"]]
    for name, details in table["details"].items():
        of_seeds = [t["details"][name]["ridge"] for t in tables]
        known = [score for score in of_seeds if score is not None]
        ridge = float(np.mean(known)) if len(known) == len(of_seeds) else None
        table["details"][name] = {**details, "ridge": ridge}
    return table
