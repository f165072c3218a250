"""Prepares the data set: renders, decodes or collects it, once."""

from pathlib import Path

from actjax import datasets, workdir
from actjax.stages import _parts


def stage(run: _parts.Run) -> list[Path]:
    """Prepares the run's data set and records what it holds."""
    workdir.claim(run.workdir, "data", run.config.to_dict())
    builder = _parts.builder(run)
    datasets.prepare(builder)
    splits = {name: info.num_examples for name, info in builder.info.splits.items()}
    skipped = datasets.skipped(builder)
    record = {"splits": splits, "class_names": _parts.class_names(builder), "skipped": len(skipped)}
    workdir.update_manifest(run.workdir, dataset=str(builder.info.full_name))
    return [
        workdir.write_json(run.workdir / "data.json", record),
        workdir.write_json(run.workdir / "skipped.json", skipped),
    ]
