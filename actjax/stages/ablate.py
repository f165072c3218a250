"""Sets every neuron to its mean, one at a time, and keeps what changes: does the network need it?"""

from pathlib import Path

from actjax import parallel, runs
from actjax.ablation import compute
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import recorded_config


def ablate(run: runs.Run) -> list[Path]:
    """Writes ablation.parquet; one made before of the same weights and clips is kept."""
    recorded_config.write(run.workdir, "score", run.config.to_dict())
    return compute.compute(run) if parallel.process_index() == 0 else []


stage = Stage("ablate", check_options=refuse_nothing, check=refuse_nothing, run=ablate)
