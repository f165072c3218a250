"""The table of a run's findings, findings.json, and the files beside it, written and read."""

from pathlib import Path
from typing import Any

import numpy as np

from actjax import files
from actjax import run as runs
from actjax.data import loader
from actjax.findings import networks, summary
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Sides
from actjax.findings.cross_fit import Result
from actjax.workdir import manifest, train_record


def paths(folder: Path) -> tuple[Path, Path, Path]:
    """Table, arrays for later tables over seeds, and all units' scores, of a workdir."""
    return folder / "findings.json", folder / "findings" / "arrays.npz", folder / "findings" / "units.parquet"


def made_from(run: runs.Run, test: loader.Source) -> str:
    """A hash of all that a table depends on."""
    control = networks.label_control(run)
    records = [train_record.read(folder) for folder in (run.workdir, control) if folder is not None]
    trained = [record and record.as_json() for record in records]
    return files.digest([_options(run), test.fingerprint, *trained])


def is_made(folder: Path, made_from: str) -> bool:
    """Whether a workdir holds the table of that hash, and the files beside it."""
    path, *beside = paths(folder)
    before = files.read_json(path, {}, remedy="delete it and run --stage=findings again")
    return before.get("made_from") == made_from and all(file.exists() for file in (path, *beside))


def of_network(
    run: runs.Run,
    setting: Setting,
    test: loader.Source,
    sides: Sides,
    results: list[Result],
    *,
    not_made: list[str],
    made_from: str,
) -> dict[str, Any]:
    """The table of a run's own network.

    Args:
      run: the run.
      setting, test: what all networks share, and the clips.
      sides: of `observe.collect`.
      results: of `cross_fit.score`.
      not_made: what it could not test, and why.
      made_from: the hash of what it depends on.
    """
    return summary.conclude([summary.arrays_of(results)]) | {
        "made_from": made_from,
        "seeds": [run.config.seed],
        "options": _options(run),
        "clips": len(test),
        "recordings": len(set(test.recording_ids)),
        "permuted": setting.draws.kind,
        "details": summary.details(results, sides, setting),
        "grid": summary.grid_ceilings(sides),
        "not_made": not_made + [f"{o.layer}, {o.view} view, {o.feature}: {o.reason}" for o in sides.left_out],
    }


def write(run: runs.Run, table: dict[str, Any]) -> Path:
    """Writes a table and keeps its hash in the manifest."""
    path = paths(run.workdir)[0]
    files.write_json(path, table)
    manifest.write(run.workdir, findings=files.file_digest(path))
    return path


def write_beside(folder: Path, results: list[Result]) -> None:
    """Writes the arrays that a table over seeds is made from, and all units' scores."""
    _, arrays, units = paths(folder)
    summary.write_arrays(arrays, summary.arrays_of(results))
    _write_units(units, summary.units(results))


def read(folder: Path) -> dict[str, Any]:
    """The table of one seed's workdir, as far as that of all seeds is made from it."""
    path = paths(folder)[0]
    remedy = "run --stage=findings there again"
    kinds = {"options": dict, "clips": int, "permuted": str, "seeds": list, "details": dict}
    table = files.fields(path, files.read_json(path, remedy=remedy), kinds, remedy=remedy)
    for about in table["details"].values():
        files.fields(path, about, {"ridge": (float, type(None))}, remedy=remedy)
    return table


def read_arrays(folder: Path) -> dict[str, Any]:
    """The arrays of one seed's workdir."""
    path = paths(folder)[1]
    with files.reading(path, "the arrays of findings", "run --stage=findings there again"):
        return summary.read_arrays(path)


def _options(run: runs.Run) -> dict[str, Any]:
    """What a table depends on beside the data and the weights."""
    score = {name: run.config.score[name] for name in ("split", "layers")}
    own = run.config.findings.to_dict()
    # Seeds have label controls of their own; a network's kind is all that their tables share.
    own["label_control"] = bool(own["label_control"])
    return {"findings": own, "score": score, "data_seed": run.config.data.seed}


def _write_units(path: Path, columns: dict[str, np.ndarray]) -> None:
    import pyarrow
    from pyarrow import parquet

    with files.written_whole(path) as aside:
        parquet.write_table(pyarrow.table(columns), aside)
