"""Runs the trials of a config's get_sweep, variants by name or a search; a table, pictures, findings."""

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from actjax import experiment, failures, parallel, report, runs
from actjax.findings import seeds, table
from actjax.report import sweep as pictures
from actjax.search import embedded, objective, space, together, trials
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import findings_table, sweep_table, train_record

_SHAPE = "it returns {name: {option: value}}, such as {'seed1': {'seed': 1}}, or an actjax.search.Search"


def run_variants(run: runs.Run) -> list[Path]:
    """Runs every trial in a sub-directory of its own; a sweep that was interrupted goes on.

    Raises:
      ValueError: no get_sweep, or a variant that changes what cannot be; before the first one runs.
    """
    asked = _asked(run)
    search = asked if isinstance(asked, space.Search) else None
    if search is not None:
        objective.check(search.metric)
    changes = search.variants() if search is not None else _checked(run, asked)
    return _run(run, changes, search)


def run_seeds(run: runs.Run) -> list[Path]:
    """Runs as many seeds as `train.population` says, from the config's on, each in a sub-directory."""
    first = run.config.seed
    names = {f"seed{seed}": {"seed": seed} for seed in range(first, first + run.config.train.population)}
    return _run(run, names, None)


def _run(run: runs.Run, changes: Mapping[str, Mapping[str, Any]], search: space.Search | None) -> list[Path]:
    variants = {name: _variant(run, name, of_name) for name, of_name in changes.items()}
    every = [trials.Trial(name, changes[name], one) for name, one in variants.items()]
    if run.config.sweep.engine == "ray":
        from actjax.search import ray_engine

        # Here, so that trials on many nodes find the data made.
        experiment.run_stages(every[0].run, ("data",))
        outputs = ray_engine.run(every, search, run.workdir, run.config.sweep)
    else:
        if search is None or search.asha is None:
            _train_together(variants, changes)
        outputs = embedded.run(every, search, run.workdir, run.config.sweep.retries)
    if parallel.process_index() != 0:
        return outputs
    outputs = [*_report(run, every, search), *outputs]
    folders = [run.workdir / name for name, of_name in changes.items() if _of_a_seed(of_name)]
    folders = [folder for folder in folders if findings_table.path_of(folder).exists()]
    if len(folders) > 1:
        outputs += [table.write(run, seeds.join(folders)), *report.build_findings(run.workdir)]
    return outputs


def _train_together(variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Trains those that can be trained at once; the trials then find themselves trained."""
    for members in together.groups(variants, changes):
        for one in members:
            experiment.run_stages(one, ("data",))
        together.train_all(members)


def _report(run: runs.Run, every: list[trials.Trial], search: space.Search | None) -> list[Path]:
    """Writes the table, prints it, and draws what the trials came to."""
    judging, metric = trials.Judging(run.workdir, search), search.metric if search else "test_accuracy"
    rows = []
    for name, changes, one in every:
        record = train_record.read(one.workdir)
        status = judging.status(name, record is not None)
        values = {} if metric == "test_accuracy" else {metric: objective.read(one.workdir, metric)}
        rows.append(sweep_table.Row(name, status, changes, record, values))
    print(sweep_table.text_of(rows).expandtabs(16))
    known = {row.variant: row.entries()[metric] for row in rows}
    if search is not None and (best := space.best(known, search.mode)) is not None:
        print(f"sweep: the best {metric}, {known[best]:.4g}, has {best}")
    return [*sweep_table.write(run.workdir, rows), *pictures.draw(run.workdir, rows, metric)]


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


def _asked(run: runs.Run) -> Any:
    """What the config file's get_sweep returns."""
    if run.config_path is None:
        raise ValueError("--stage=sweep needs a config file with get_sweep()")
    path = run.config_path.split(":")[0]
    try:
        make = runpy.run_path(path).get("get_sweep")
        asked = None if make is None else make()
    except Exception as error:
        # Whatever a user's own file raises is said in a line that names it.
        raise ValueError(f"--stage=sweep: get_sweep() of {path} raised {failures.said(error)}") from error
    if make is None:
        raise ValueError(f"--stage=sweep needs get_sweep() in {path}: {_SHAPE}")
    return asked


def _checked(run: runs.Run, variants: Any) -> Mapping[str, Mapping[str, Any]]:
    """Variants by name, which become folders."""
    path = (run.config_path or "").split(":")[0]
    if not isinstance(variants, Mapping) or not variants:
        raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {variants!r}")
    for name, changes in variants.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ValueError(f"get_sweep's names become folders; letters, digits, - _ . only, got {name!r}")
        if not isinstance(changes, Mapping) or not all(isinstance(option, str) for option in changes):
            raise ValueError(f"get_sweep() of {path}: {_SHAPE}; got {changes!r} for {name}")
    return variants


stage = Stage("sweep", check_options=refuse_nothing, check=refuse_nothing, run=run_variants)
