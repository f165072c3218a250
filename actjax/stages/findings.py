"""Puts the four findings to the test: trained against untrained, shuffled, rotated and the input itself."""

from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel, report, workdir
from actjax import run as runs
from actjax.data import loader
from actjax.findings import cross_fit, observe, summary
from actjax.findings import networks as findings_networks
from actjax.findings.claims import TITLES
from actjax.findings.claims.setting import Setting, settings
from actjax.report import findings as report_findings
from actjax.statistics.requirements import StatisticsError, check_replicates

OPTIONS = ("untrained", "replicates", "rotations", "bootstrap", "splits")


def stage(run: runs.Run) -> list[Path]:
    """Tests the findings on the run's network, or over the training seeds that a sweep left here.

    A table made before with the same options is kept. `findings.untrained=0` leaves the stage out.
    """
    why = left_out(run.config)
    if why:
        print(f"findings: left out, {why}")
        return []
    seeds = [] if (run.workdir / "train.json").exists() else _seeds(run.workdir)
    if seeds:
        return over_seeds(run, seeds)
    workdir.claim(run.workdir, "findings", run.config.to_dict())
    path, arrays = run.workdir / "findings.json", run.workdir / "findings" / "arrays.npz"
    outputs = [path, arrays, run.workdir / "findings" / "units.parquet"]
    setting, test = check(run)
    networks = 1 + 2 * run.config.findings.untrained + bool(run.config.findings.label_control)
    observe.check_memory(run, test, networks)
    train = loader.open_source(runs.builder(run), "train")
    weights = findings_networks.variables(run, train)
    control = findings_networks.label_control(run)
    trained = [workdir.read_trained(w) for w in (run.workdir, control) if w is not None]
    made_from = files.digest([_options(run), test.fingerprint, *trained])
    before = files.read_json(path, {}, remedy="delete it and run --stage=findings again")
    if before.get("made_from") == made_from and all(file.exists() for file in outputs):
        print(f"findings: done before, {path}")
        return outputs
    sides = observe.collect(run, test, weights)
    found, reasons = cross_fit.score(sides, setting, run.config.findings.rotations)
    if not found:
        raise ValueError(
            "no finding can be tested: score.layers leaves no shallow, deep or embedding layer to compare"
        )
    if parallel.process_index() == 0:
        kept = summary.arrays_of(found)
        table = summary.conclude([kept]) | {
            "made_from": made_from,
            "seeds": [run.config.seed],
            "options": _options(run),
            "clips": len(test),
            "recordings": len(set(test.recording_ids)),
            "permuted": setting.draws.kind,
            "details": summary.details(found, sides, setting),
            "grid": summary.grid_ceilings(sides),
            "not_made": reasons
            + [f"{o.layer}, {o.view} view, {o.feature}: {o.reason}" for o in sides.left_out],
        }
        summary.write_arrays(arrays, kept)
        _write_units(outputs[2], summary.units(found))
        _write(run, path, table)
    return outputs


def left_out(config: Any) -> str | None:
    """Why a run has no findings to test, or None."""
    if config.findings.untrained == 0:
        return "findings.untrained = 0"
    if config.score.activations:
        return "score.activations come from elsewhere: there is no network to shuffle or to start anew"
    return None


def check(run: runs.Run) -> tuple[Setting, loader.Source] | None:
    """Refuses what the data, the options or a missing control cannot support, before anything is computed.

    Returns:
      What all networks share, and the clips that are scored; None where the stage is left out.

    Raises:
      StatisticsError, ValueError, FileNotFoundError: one line.
    """
    if left_out(run.config):
        return None
    check_options(run.config)
    test = loader.open_source(runs.builder(run), run.config.score.split)
    findings_networks.label_control(run)
    try:
        return settings(run.config.findings, test, run.config.data.seed), test
    except StatisticsError as error:
        raise StatisticsError(f"findings: {error}; --config.findings.untrained=0 leaves them out") from None


def check_options(config: Any) -> None:
    """Refuses counts below 1, and replicates too few for four tests at 0.05; one line."""
    if left_out(config):
        return
    for name in OPTIONS:
        if config.findings[name] < 1:
            raise ValueError(f"findings.{name} must be at least 1, got {config.findings[name]}")
    check_replicates(config.findings.replicates, 0.05, tests=len(TITLES))


def _seeds(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/findings.json"))


def over_seeds(run: runs.Run, seeds: list[Path]) -> list[Path]:
    """One table over the seeds of a sweep: recordings and seeds are both resampled."""
    tables = [_read(seed / "findings.json") for seed in seeds]
    for seed, table in zip(seeds, tables, strict=True):
        for key in ("options", "clips", "permuted"):
            if table[key] != tables[0][key]:
                raise ValueError(
                    f"{seed} has other findings options than {seeds[0]} ({key}: {table[key]} and "
                    f"{tables[0][key]}): run --stage=findings on both with the same config"
                )
    arrays = [_read_arrays(seed / "findings" / "arrays.npz") for seed in seeds]
    table = dict(tables[0]) | summary.conclude(arrays)
    table["seeds"] = [s for t in tables for s in t["seeds"]]
    for name, about in table["details"].items():
        ceilings = [t["details"][name]["ridge"] for t in tables]
        table["details"][name] = {**about, "ridge": None if None in ceilings else float(np.mean(ceilings))}
    return [_write(run, run.workdir / "findings.json", table), *report.build_findings(run.workdir)]


def _read(path: Path) -> dict[str, Any]:
    """The table of one seed, as far as that of all seeds is made from it."""
    remedy = "run --stage=findings there again"
    kinds = {"options": dict, "clips": int, "permuted": str, "seeds": list, "details": dict}
    table = files.fields(path, files.read_json(path, remedy=remedy), kinds, remedy=remedy)
    for about in table["details"].values():
        files.fields(path, about, {"ridge": (float, type(None))}, remedy=remedy)
    return table


def _read_arrays(path: Path) -> dict[str, Any]:
    with files.reading(path, "the arrays of findings", "run --stage=findings there again"):
        return summary.read_arrays(path)


def _write(run: runs.Run, path: Path, table: dict[str, Any]) -> Path:
    files.write_json(path, table)
    workdir.update_manifest(run.workdir, findings=files.file_digest(path))
    print(report_findings.console(table))
    return path


def _write_units(path: Path, columns: dict[str, np.ndarray]) -> None:
    import pyarrow
    from pyarrow import parquet

    with files.written_whole(path) as aside:
        parquet.write_table(pyarrow.table(columns), aside)


def _options(run: runs.Run) -> dict[str, Any]:
    """What a table depends on beside the data and the weights."""
    score = {name: run.config.score[name] for name in ("split", "layers")}
    own = run.config.findings.to_dict()
    # Seeds have label controls of their own; a network's kind is all that their tables share.
    own["label_control"] = bool(own["label_control"])
    return {"findings": own, "score": score, "data_seed": run.config.data.seed}
