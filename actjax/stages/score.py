"""Scores every neuron of every network against every feature, in one pass over the clips."""

from pathlib import Path
from typing import Any

from actjax import memory, parallel
from actjax import run as runs
from actjax.data import loader
from actjax.scoring import from_elsewhere, nulls, results, score_set
from actjax.stages import Stage
from actjax.statistics.requirements import check_replicates
from actjax.workdir import examples, left_out, recorded_config


def score(run: runs.Run) -> list[Path]:
    """Scores the run's networks; a score set made before with the same options is kept."""
    recorded_config.write(run.workdir, "score", run.config.to_dict())
    builder = runs.builder(run)
    elsewhere = from_elsewhere.activations(run.config)
    source = from_elsewhere.in_file_order(loader.open_source(builder, run.config.score.split), elsewhere)
    path = score_set.path_of(run, source)
    outputs = [path, examples.path_of(path), left_out.path_of(path)]
    if path.exists() and score_set.is_as_written(run, path):
        print(f"score: done before, {path}")
        return outputs
    absent = loader.absent_classes({run.config.score.split: source})
    if absent and parallel.process_index() == 0:
        print(f"score: no clip of class {absent}")
    found, reasons = results.compute(run, source, elsewhere, outputs[1])
    if parallel.process_index() == 0:
        left_out.write(outputs[2], reasons)
        if reasons:
            print(f"score: {len(reasons)} comparisons left out; the report says which and why")
        score_set.write(run, path, source, found)
    return outputs


def check_options(config: Any) -> None:
    """Refuses batches that no device can hold, and replicates that cannot resolve the asked level."""
    memory.check_scoring(config)
    if config.score.null != "none" and config.score.replicates:
        check_replicates(config.score.replicates, config.score.level)


def check(run: runs.Run) -> None:
    """Refuses a null that the clips cannot support, before anything is computed."""
    nulls.draws(run.config, loader.open_source(runs.builder(run), run.config.score.split))


stage = Stage("score", check_options=check_options, check=check, run=score)
