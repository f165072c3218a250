"""Tables and pictures from what the other stages left."""

from pathlib import Path

from actjax import parallel, report, runs
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import recorded_config


def build(run: runs.Run) -> list[Path]:
    """Builds the report of the workdir's scores."""
    recorded_config.write(run.workdir, "report", run.config.to_dict())
    if parallel.process_index() != 0:
        return []
    config = f" --config={run.config_path}" if run.config_path else ""
    return report.build(run.workdir, command=f"python launch.py{config} --workdir={run.workdir}")


stage = Stage("report", check_options=refuse_nothing, check=refuse_nothing, run=build)
