"""Tables and pictures from what the other stages left."""

from pathlib import Path

from actjax import parallel, report, runs
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import recorded_config


def build(run: runs.Run) -> list[Path]:
    """Builds the report of the workdir's scores."""
    recorded_config.write(run.workdir, "report", run.config.to_dict())
    return report.build(run.workdir) if parallel.process_index() == 0 else []


stage = Stage("report", check_options=refuse_nothing, check=refuse_nothing, run=build)
