"""Tables and pictures from what the other stages left."""

from pathlib import Path

from actjax import parallel, report, workdir
from actjax import run as runs
from actjax.stages import Stage, refuse_nothing


def build(run: runs.Run) -> list[Path]:
    """Builds the report of the workdir's scores."""
    workdir.claim(run.workdir, "report", run.config.to_dict())
    return report.build(run.workdir) if parallel.process_index() == 0 else []


stage = Stage("report", check_options=refuse_nothing, check=refuse_nothing, run=build)
