"""Prepares the data set: renders, decodes or collects it, once."""

from pathlib import Path

from actjax import parallel, runs
from actjax.data import loader
from actjax.data.build import overlaps
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import data_summary, manifest, recorded_config, skipped


def prepare(run: runs.Run) -> list[Path]:
    """Prepares the run's data set and records what it holds."""
    recorded_config.compare(run.workdir, "data", run.config.to_dict())
    builder = run.builder
    run.check_split()
    builder.download_and_prepare()
    # A data set that cannot be had leaves the workdir free for another.
    recorded_config.write(run.workdir, "data", run.config.to_dict())
    if parallel.process_index() != 0:
        return []
    splits = {name: split.num_examples for name, split in builder.info.splits.items()}
    left_out = [skipped.Skipped(s["item"], s["reason"]) for s in loader.builder_skipped(builder)]
    outputs = [
        data_summary.write(run.workdir, data_summary.DataSummary(splits, builder.class_names)),
        skipped.write(run.workdir, left_out),
    ]
    manifest.write(run.workdir, dataset=str(builder.info.full_name))
    counts = ", ".join(f"{count} {name}" for name, count in splits.items())
    not_there = f", {len(left_out)} left out (see {skipped.NAME})" if left_out else ""
    print(f"data: {builder.info.full_name}: {counts} clips{not_there}")
    alike = overlaps.said(overlaps.read(Path(builder.data_dir)))
    if alike:
        print(f"data: note: {alike}")
    absent = loader.absent_classes({name: loader.open_source(builder, name) for name in splits})
    if absent:
        print(f"data: no clip of class {absent}")
    return outputs


stage = Stage("data", check_options=refuse_nothing, check=refuse_nothing, run=prepare)
