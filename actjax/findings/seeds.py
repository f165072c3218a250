"""One table over the training seeds of a sweep."""

from pathlib import Path
from typing import Any

import numpy as np

from actjax.findings import summary
from actjax.findings import table as findings_table


def below(folder: Path) -> list[Path]:
    """The workdirs of the seeds that a sweep left in a folder, with their findings."""
    return sorted(path.parent for path in folder.glob("*/findings.json"))


def join(seeds: list[Path]) -> dict[str, Any]:
    """One table over the workdirs of several seeds: recordings and seeds are both resampled.

    Raises:
      FileError: a file of the findings of one is damaged.
      ValueError: the seeds' findings were made with different options.
    """
    tables = [findings_table.read(seed) for seed in seeds]
    for seed, table in zip(seeds, tables, strict=True):
        for key in ("options", "clips", "permuted"):
            if table[key] != tables[0][key]:
                raise ValueError(
                    f"{seed} has other findings options than {seeds[0]} ({key}: {table[key]} and "
                    f"{tables[0][key]}): run --stage=findings on both with the same config"
                )
    arrays = [findings_table.read_arrays(seed) for seed in seeds]
    table = dict(tables[0]) | summary.conclude(arrays)
    table["seeds"] = [s for t in tables for s in t["seeds"]]
    for name, about in table["details"].items():
        ceilings = [t["details"][name]["ridge"] for t in tables]
        table["details"][name] = {**about, "ridge": None if None in ceilings else float(np.mean(ceilings))}
    return table
