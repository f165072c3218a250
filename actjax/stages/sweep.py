"""Runs the variants of a config's get_sweep one by one: a table of results, and the findings over seeds."""

import dataclasses
import runpy
from pathlib import Path

import ml_collections

from actjax import experiment, files, workdir
from actjax.stages import _parts, findings

COLUMNS = ("variant", "test_accuracy", "best_step", "seconds")


def stage(run: _parts.Run) -> list[Path]:
    """Every variant gets a sub-directory of its own; a sweep that was interrupted goes on."""
    variants = _variants(run)
    rows, outputs, done = [], [], {}
    for name, changes in variants.items():
        config = ml_collections.ConfigDict(run.config.to_dict())  # else variants would share what is nested
        try:
            config.update_from_flattened_dict(changes)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"get_sweep's variant {name!r} changes what the config has not: {error}"
            ) from None
        print(f"== {name}: " + ", ".join(f"{k} = {v}" for k, v in changes.items()))
        one = dataclasses.replace(
            run, config=ml_collections.FrozenConfigDict(config), workdir=run.workdir / name
        )
        outputs += experiment.run_stages(one, experiment.stages_of_all(one.config))
        record = workdir.read_trained(one.workdir) or {}
        rows.append([name, *("" if record.get(c) is None else f"{record[c]:.4g}" for c in COLUMNS[1:])])
        done[name] = one.workdir / "findings.json"
    table = "\n".join("\t".join(row) for row in [list(COLUMNS), *rows])
    print(table.expandtabs(16))
    with files.written_whole(run.workdir / "sweep.tsv") as aside:
        aside.write_text(table + "\n")
    seeds = [n for n, changes in variants.items() if done[n].exists() and _of_a_seed(changes)]
    if len(seeds) > 1:
        outputs += findings.over_seeds(run, [run.workdir / name for name in seeds])
    return [run.workdir / "sweep.tsv", *outputs]


def _of_a_seed(changes: dict) -> bool:
    """Whether a variant is another seed and nothing else: those are resampled together."""
    return "seed" in changes and set(changes) <= {"seed", "findings.label_control"}


def _variants(run: _parts.Run) -> dict[str, dict]:
    if run.config_path is None:
        raise ValueError("--stage=sweep needs a config file with get_sweep()")
    path = run.config_path.split(":")[0]
    make = runpy.run_path(path).get("get_sweep")
    if make is None:
        raise ValueError(f"--stage=sweep needs get_sweep() in {path}: it returns {{name: {{option: value}}}}")
    variants = make()
    bad = [name for name in variants if not name.replace("_", "").replace("-", "").replace(".", "").isalnum()]
    if bad:
        raise ValueError(f"get_sweep's names become folders; letters, digits, - _ . only, got {bad[0]!r}")
    return variants
