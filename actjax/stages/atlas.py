"""Makes the atlas: what drives each neuron, to be heard and seen, and what it follows."""

from pathlib import Path

from actjax import parallel, runs
from actjax.atlas import build
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import recorded_config


def make(run: runs.Run) -> list[Path]:
    """Makes report/atlas of the workdir's scores, anew each time; `report.atlas=False` leaves it out."""
    if not run.config.report.atlas:
        print("atlas: left out, report.atlas = False")
        return []
    recorded_config.write(run.workdir, "atlas", run.config.to_dict())
    return build.build(run) if parallel.process_index() == 0 else []


stage = Stage("atlas", check_options=refuse_nothing, check=refuse_nothing, run=make)
