"""Prepares the data set: renders, decodes or collects it, once."""

from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel, workdir
from actjax.datasets import loader
from actjax.stages import _parts


def stage(run: _parts.Run) -> list[Path]:
    """Prepares the run's data set and records what it holds."""
    workdir.compare(run.workdir, "data", run.config.to_dict())
    outputs = [run.workdir / "data.json", run.workdir / "skipped.json"]
    builder = _parts.builder(run)
    _parts.check_split(run.config, builder)
    builder.download_and_prepare()
    # A data set that cannot be had leaves the workdir free for another.
    workdir.claim(run.workdir, "data", run.config.to_dict())
    if parallel.process_index() == 0:
        splits = {name: split.num_examples for name, split in builder.info.splits.items()}
        skipped = [{"clip": s["item"], "reason": s["reason"]} for s in loader.builder_skipped(builder)]
        files.write_json(outputs[0], {"splits": splits, "class_names": list(builder.class_names)})
        files.write_json(outputs[1], skipped)
        workdir.update_manifest(run.workdir, dataset=str(builder.info.full_name))
        left_out = f", {len(skipped)} left out (see skipped.json)" if skipped else ""
        counts = ", ".join(f"{count} {name}" for name, count in splits.items())
        print(f"data: {builder.info.full_name}: {counts} clips{left_out}")
        for name, lacking in _absent(builder).items():
            print(f"data: no clip of class {', '.join(lacking)} in the split {name}")
    return outputs


def _absent(builder: Any) -> dict[str, list[str]]:
    """The classes that a split lacks, by split: nothing can be learnt, or said, of them there."""
    found = {}
    for split in builder.info.splits:
        labels = loader.open_source(builder, split).labels
        held = labels.any(axis=0) if labels.ndim == 2 else np.isin(range(len(builder.class_names)), labels)
        found[split] = [name for name, there in zip(builder.class_names, held, strict=True) if not there]
    return {split: lacking for split, lacking in found.items() if lacking}
