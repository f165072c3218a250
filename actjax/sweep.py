"""Runs the variants of a config's get_sweep one by one: a table of results, and the findings over seeds."""

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from actjax import experiment, failures, report, runs
from actjax.findings import seeds, table
from actjax.report import hypotheses
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import findings_table, hypotheses_table, sweep_table, train_record

_SHAPE = "it returns {name: {option: value}}, such as {'seed1': {'seed': 1}}"


def run_variants(run: runs.Run) -> list[Path]:
    """Runs every variant in a sub-directory of its own; a sweep that was interrupted goes on.

    Raises:
      ValueError: no get_sweep, or a variant that changes what cannot be; before the first one runs.
    """
    variants = _variants(run)
    runs = {name: _variant(run, name, changes) for name, changes in variants.items()}
    records, outputs = {}, []
    for name, one in runs.items():
        print(f"== {name}: " + ", ".join(f"{k} = {v}" for k, v in variants[name].items()))
        outputs += experiment.run_stages(one, experiment.stages_of_all(one.config))
        records[name] = train_record.read(one.workdir)
    print(sweep_table.text_of(records).expandtabs(16))
    path = sweep_table.write(run.workdir, records)
    if (joined := hypotheses_table.join(run.workdir, [run.workdir / name for name in variants])) is not None:
        outputs += [joined, *hypotheses.build(run.workdir)]
    folders = [run.workdir / name for name, changes in variants.items() if _of_a_seed(changes)]
    folders = [folder for folder in folders if findings_table.path_of(folder).exists()]
    if len(folders) > 1:
        outputs += [table.write(run, seeds.join(folders)), *report.build_findings(run.workdir)]
    return [path, *outputs]


def _variant(run: runs.Run, name: str, changes: Mapping[str, Any]) -> runs.Run:
    """Opens the run of a variant."""
    config = ml_collections.ConfigDict(run.config.to_dict())  # else variants would share what is nested
    try:
        config.update_from_flattened_dict(changes)
        return runs.open_run(config, run.workdir / name, config_path=run.config_path, data_dir=run.data_dir)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"get_sweep's variant {name!r} changes what the config has not, or cannot be: "
            f"{failures.said(error)}"
        ) from error


def _of_a_seed(changes: Mapping[str, Any]) -> bool:
    """Says whether a variant is another seed and nothing else: those are resampled together."""
    return "seed" in changes and set(changes) <= {"seed", "findings.label_control"}


def _variants(run: runs.Run) -> Mapping[str, Mapping[str, Any]]:
    if run.config_path is None:
        raise ValueError("--stage=sweep needs a config file with get_sweep()")
    path = run.config_path.split(":")[0]
    try:
        make = runpy.run_path(path).get("get_sweep")
        variants = None if make is None else make()
    except Exception as error:
        # Whatever a user's own file raises is said in a line that names it.
        raise ValueError(f"--stage=sweep: get_sweep() of {path} raised {failures.said(error)}") from error
    if make is None:
        raise ValueError(f"--stage=sweep needs get_sweep() in {path}: {_SHAPE}")
    if not isinstance(variants, Mapping) or not variants:
        raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {variants!r}")
    for name, changes in variants.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ValueError(f"get_sweep's names become folders; letters, digits, - _ . only, got {name!r}")
        if not isinstance(changes, Mapping) or not all(isinstance(option, str) for option in changes):
            raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {changes!r} for {name}")
    return variants


stage = Stage("sweep", check_options=refuse_nothing, check=refuse_nothing, run=run_variants)
