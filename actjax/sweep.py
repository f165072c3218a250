"""Runs the trials of a config's get_sweep, variants by name or a search; a table, pictures, findings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import experiment, parallel, report, runs
from actjax.findings import seeds, table
from actjax.report import hypotheses
from actjax.search import embedded, reporting, space, together, trials, variants
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import findings_table, hypotheses_table


def run_variants(run: runs.Run) -> list[Path]:
    """Runs every trial in a sub-directory of its own; a sweep that was interrupted goes on.

    Raises:
      ValueError: no get_sweep, or a variant that changes what cannot be; before the first one runs.
    """
    changes, search = variants.read(run)
    return _run(run, changes, search)


def check_options(run: runs.Run) -> None:
    """Refuses a sweep of which any variant changes what cannot be."""
    changes, _ = variants.read(run)
    for name, of_name in changes.items():
        variants.open_variant(run, name, of_name)


def run_seeds(run: runs.Run, stages: Sequence[str]) -> list[Path]:
    """Runs as many seeds as `train.population` says, from the config's on, each in a sub-directory.

    Args:
      run: the run.
      stages: of each seed; without "score" among them nothing is compared.
    """
    first = run.config.seed
    names = {f"seed{seed}": {"seed": seed} for seed in range(first, first + run.config.train.population)}
    if "score" in stages:
        return _run(run, names, None)
    opened = {name: variants.open_variant(run, name, of_name) for name, of_name in names.items()}
    together.train_groups(opened, names)
    return [path for one in opened.values() for path in experiment.run_stages(one, stages)]


def _run(run: runs.Run, changes: Mapping[str, Mapping[str, Any]], search: space.Search | None) -> list[Path]:
    opened = {name: variants.open_variant(run, name, of_name) for name, of_name in changes.items()}
    every = [trials.Trial(name, changes[name], one) for name, one in opened.items()]
    if run.config.sweep.engine == "ray":
        from actjax.search import ray_engine

        # Here, so that trials on many nodes find the data made.
        experiment.run_stages(every[0].run, ("data",))
        outputs = ray_engine.run(every, search, run.workdir, run.config.sweep)
    else:
        if search is None or search.asha is None:
            together.train_groups(opened, changes)
            together.score_groups(opened, changes, run.workdir)
        outputs = embedded.run(every, search, run.workdir, run.config.sweep.retries)
    if parallel.process_index() != 0:
        return outputs
    outputs = [*reporting.write(run, every, search), *outputs]
    if (joined := hypotheses_table.join(run.workdir, [run.workdir / name for name in changes])) is not None:
        outputs += [joined, *hypotheses.build(run.workdir)]
    outputs += reporting.write_tests(run.workdir, together.alike(opened, changes))
    folders = [run.workdir / name for name, of_name in changes.items() if _of_a_seed(of_name)]
    folders = [folder for folder in folders if findings_table.path_of(folder).exists()]
    if len(folders) > 1:
        outputs += [table.write(run, seeds.join(folders))]
    return outputs + report.build_sweep(run.workdir)


def _of_a_seed(changes: Mapping[str, Any]) -> bool:
    """Says whether a variant is another seed and nothing else: those are resampled together."""
    return "seed" in changes and set(changes) <= {"seed", "findings.label_control"}


stage = Stage("sweep", check_options=check_options, check=refuse_nothing, run=run_variants)
