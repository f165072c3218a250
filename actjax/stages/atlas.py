"""Makes the atlas: what drives each neuron, to be heard and seen, and what it follows."""

from pathlib import Path

from actjax import parallel, runs
from actjax.atlas_site import build
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import made_pages, recorded_config


def make(run: runs.Run) -> list[Path]:
    """Makes report/atlas of the workdir's scores; one made before from the same stays.

    `report.atlas=False` leaves it out.
    """
    if not run.config.report.atlas:
        print("atlas: left out, report.atlas = False")
        return []
    recorded_config.write(run.workdir, "atlas", run.config.to_dict())
    if parallel.process_index() != 0:
        return []
    made_from = build.made_from(run)
    if made_pages.is_made(run.workdir, "atlas", made_from):
        outputs = made_pages.outputs(run.workdir, "atlas")
        print(f"atlas: done before, {outputs[0]}")
        return outputs
    written = build.build(run)
    made_pages.keep(run.workdir, "atlas", made_from, written)
    return written


stage = Stage("atlas", check_options=refuse_nothing, check=refuse_nothing, run=make)
