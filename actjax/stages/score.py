"""Scores every neuron of every network against every feature, in one pass over the clips."""

from pathlib import Path

from actjax import memory, parallel, runs
from actjax.data import loader
from actjax.scoring import from_elsewhere, nulls, results, score_set
from actjax.stages import Stage
from actjax.statistics.requirements import check_replicates
from actjax.workdir import examples, left_out, recorded_config


def score(run: runs.Run) -> list[Path]:
    """Scores the run's networks; a score set made before with the same options is kept."""
    recorded_config.write(run.workdir, "score", run.config.to_dict())
    split = run.setup.scored.split
    elsewhere = from_elsewhere.activations(run.setup.scored)
    source = from_elsewhere.in_file_order(run.open_source(split), elsewhere)
    path = score_set.path_of(run, source)
    outputs = [path, examples.path_of(path), left_out.path_of(path)]
    if path.exists() and score_set.is_as_written(run, path):
        print(f"score: done before, {path}")
        return outputs
    absent = loader.absent_classes({split: source})
    if absent and parallel.process_index() == 0:
        print(f"score: no clip of class {absent}")
    tasks, reasons = results.compute(run, source, elsewhere, outputs[1])
    if parallel.process_index() == 0:
        left_out.write(outputs[2], reasons)
        if reasons:
            print(f"score: {len(reasons)} comparisons left out; the report says which and why")
        score_set.write(run, path, source, tasks)
    return outputs


def check_options(run: runs.Run) -> None:
    """Refuses batches that no device can hold, and replicates that cannot resolve the asked level."""
    memory.check_scoring(run.setup)
    null = run.setup.scored.null
    if null is not None:
        check_replicates(null.replicates, null.level)


def check(run: runs.Run) -> None:
    """Refuses a null that the clips cannot support, before anything is computed."""
    nulls.draws(run.setup.scored.null, run.open_source(run.setup.scored.split))


stage = Stage("score", check_options=check_options, check=check, run=score)
