"""Scores every neuron of every network against every feature, in one pass over the clips."""

from pathlib import Path

from actjax import memory, parallel, runs
from actjax.data import loader
from actjax.external.layers import Activations
from actjax.scoring import checkpoints, foreseen, from_elsewhere, nulls, results, score_set, unscored
from actjax.stages import Stage
from actjax.statistics.requirements import check_replicates
from actjax.workdir import examples, pieces, recorded_config


def score(run: runs.Run) -> list[Path]:
    """Scores the run's networks by those metrics against those features that are not scored yet."""
    recorded_config.write(run.workdir, "score", run.config.to_dict())
    split = run.setup.scored.split
    elsewhere = from_elsewhere.activations(run.setup.scored)
    source = from_elsewhere.in_file_order(run.open_source(split), elsewhere)
    wanted, sets = unscored.made_from(run, source), score_set.whole_sets(run)
    left = unscored.missing(run, wanted, sets)
    used = [path for path, one in sets.items() if unscored.serves(one, wanted)]
    if used and parallel.process_index() == 0:
        score_set.put_first(run.workdir, used, sets, wanted)
        print(f"score: done before, {', '.join(map(str, used))}")
    absent = loader.absent_classes({split: source})
    if left and absent and parallel.process_index() == 0:
        print(f"score: no clip of class {absent}")
    if not left:
        pieces.clear(run.workdir, "score")
    tables = [*used, *(table for one in left if (table := _scored(one, source, elsewhere)))]
    if not tables:
        raise ValueError(
            f"score: no metric of {run.config.score.metrics!r} can compare a layer with a feature"
        )
    return [path for table in tables for path in score_set.beside(table)]


def _scored(run: runs.Run, source: loader.Source, elsewhere: Activations | None) -> Path | None:
    """Makes one score set, going on where an earlier call of the program was stopped.

    Returns:
      Its table; None where no comparison can be made.
    """
    made_from = unscored.made_from(run, source)
    pictures = examples.path_of(score_set.path_of(run.workdir, made_from))
    unfinished = score_set.unfinished(run.workdir, {"": made_from.key()})
    computed = results.compute(run, source, elsewhere, pictures, unfinished)
    table = score_set.keep(run, made_from, source, computed)
    unfinished.close()
    return table


def check_options(run: runs.Run) -> None:
    """Refuses batches that no device can hold, and replicates that cannot resolve the asked level."""
    memory.check_scoring(run.setup)
    checkpoints.check_options(run)
    null = run.setup.scored.null
    if null is not None:
        check_replicates(null.replicates, null.level)


def check(run: runs.Run) -> None:
    """Refuses a null that the clips cannot support, before anything is computed."""
    nulls.draws(run.setup.scored.null, run.open_source(run.setup.scored.split))


stage = Stage("score", check_options=check_options, check=check, run=score, foresee=foreseen.foresee)
