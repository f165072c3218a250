"""Tables and pictures from what the other stages left."""

import shlex
from pathlib import Path

from actjax import files, parallel, report, runs, tracking
from actjax.options import comma_list
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import made_pages, recorded_config, train_record


def build(run: runs.Run) -> list[Path]:
    """Builds the report of the workdir's scores; of one made before from the same it prints the tables."""
    recorded_config.write(run.workdir, "report", run.config.to_dict())
    if parallel.process_index() != 0:
        return []
    command = f"actjax run {shlex.quote(str(run.workdir))}"
    made_from = report.made_from(run.workdir, command)
    if made_pages.is_made(run.workdir, "report", made_from):
        outputs = made_pages.outputs(run.workdir, "report")
        print(files.read_text(outputs[0].with_name("tables.txt")))
        print(f"report: done before, {outputs[0]}")
        return outputs
    written = report.build(run.workdir, command=command)
    record = train_record.read(run.workdir)
    steps = 0 if record is None else record.steps
    tracking.show_report(comma_list(run.config.tracking), run.workdir, steps, written)
    made_pages.keep(run.workdir, "report", made_from, written)
    return written


stage = Stage("report", check_options=refuse_nothing, check=refuse_nothing, run=build)
