"""The table of a run's findings, findings.json, and the files beside it, written and read."""

from pathlib import Path
from typing import Any

from actjax import code_version, files, lookup, runs
from actjax.data import loader
from actjax.findings import networks, observe, summary
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Sides
from actjax.findings.cross_fit import Result
from actjax.scoring import unscored
from actjax.workdir import findings_arrays, findings_table, findings_units, manifest, train_record
from actjax.workdir.findings_table import FindingsTable

# Beside the features and the network: what makes the numbers. The metric is looked up by its name.
_CODE = (
    "actjax.findings.cross_fit",
    "actjax.findings.networks",
    "actjax.findings.summary",
    "actjax.metrics.cka",
)
# Grows when a table says other things, so that one of an older version is made again.
VERSION = 2


def paths(folder: Path) -> tuple[Path, Path, Path]:
    """Table, arrays for later tables over seeds, and all units' scores, of a workdir."""
    return findings_table.path_of(folder), findings_arrays.path_of(folder), findings_units.path_of(folder)


def made_from(run: runs.Run, test: loader.Source) -> str:
    """A hash of all that a table depends on."""
    control = networks.label_control(run)
    records = [train_record.read(folder) for folder in (run.workdir, control) if folder is not None]
    trained = [record and record.weights for record in records]
    features = [f"actjax.features.{name}" for name, _ in lookup.parse_specs(observe.FEATURES)]
    code = code_version.version(*_CODE, unscored.network_module(run), *features)
    precision = run.config.score.precision
    return files.digest([VERSION, _options(run), precision, test.fingerprint, code, *trained])


def is_made(folder: Path, made_from: str) -> bool:
    """Whether a workdir holds the table of that hash, and the files beside it."""
    same = findings_table.read_made_from(folder) == made_from
    return same and all(path.exists() for path in paths(folder))


def of_network(
    run: runs.Run,
    setting: Setting,
    test: loader.Source,
    sides: Sides,
    results: list[Result],
    *,
    not_made: list[str],
    made_from: str,
) -> FindingsTable:
    """The table of a run's own network.

    Args:
      run: the run.
      setting, test: what all networks share, and the clips.
      sides: of `observe.collect`.
      results: of `cross_fit.score`.
      not_made: what it could not test, and why.
      made_from: the hash of what it depends on.
    """
    claims, findings = summary.conclude([summary.arrays_of(results)])
    return {
        "made_from": made_from,
        "seeds": [run.setup.findings.seed],
        "options": _options(run),
        "clips": len(test),
        "recordings": len(set(test.recording_ids)),
        "permuted": setting.draws.kind,
        "details": summary.details(results, sides, setting),
        "grid": summary.grid_shares(sides),
        "not_made": not_made + [f"{o.layer}, {o.view} view, {o.feature}: {o.reason}" for o in sides.left_out],
        "parts": claims,
        "findings": findings,
    }


def write(run: runs.Run, table: FindingsTable) -> Path:
    """Writes a table and keeps its hash in the manifest."""
    path = findings_table.write(run.workdir, table)
    record(run.workdir)
    return path


def record(folder: Path) -> None:
    """Keeps the table's hash in the manifest, if it is not there: a run may have been killed between them."""
    digest = files.file_digest(findings_table.path_of(folder))
    if manifest.read(folder).get("findings") != digest:
        manifest.write(folder, findings=digest)


def write_beside(folder: Path, results: list[Result]) -> None:
    """Writes the arrays that a table over seeds is made from, and all units' scores."""
    findings_arrays.write(folder, summary.arrays_of(results))
    findings_units.write(folder, summary.units(results))


def _options(run: runs.Run) -> dict[str, Any]:
    """What a table depends on beside the data and the weights."""
    score = {"split": run.setup.scored.split, "layers": run.setup.scored.layers}
    options: dict[str, Any] = run.setup.findings._asdict()
    data_seed, _ = options.pop("data_seed"), options.pop("seed")
    # Seeds have label controls of their own; a network's kind is all that their tables share.
    options["label_control"] = bool(options["label_control"])
    return {"findings": options, "score": score, "data_seed": data_seed}
