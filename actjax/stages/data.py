"""Prepares the data set: renders, decodes or collects it, once."""

from pathlib import Path

from actjax import files, parallel, workdir
from actjax import run as runs
from actjax.data import loader
from actjax.stages import Stage, refuse_nothing


def prepare(run: runs.Run) -> list[Path]:
    """Prepares the run's data set and records what it holds."""
    workdir.compare(run.workdir, "data", run.config.to_dict())
    outputs = [run.workdir / "data.json", run.workdir / "skipped.json"]
    builder = run.builder
    run.check_split()
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
        absent = loader.absent_classes({name: loader.open_source(builder, name) for name in splits})
        if absent:
            print(f"data: no clip of class {absent}")
    return outputs


stage = Stage("data", check_options=refuse_nothing, check=refuse_nothing, run=prepare)
