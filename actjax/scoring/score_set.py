"""The score set of a run: its name, which is a hash of all that its scores depend on, and its table."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel, runs
from actjax.data import loader
from actjax.scores import files as scores_files
from actjax.scoring import nulls, unscored
from actjax.scoring.results import Computed
from actjax.scoring.tasks import ScoredTask, columns
from actjax.scoring.unscored import MadeFrom
from actjax.workdir import examples, left_out, manifest, pieces, score_nulls, train_record
from actjax.workdir.pieces import Pieces


def path_of(workdir: Path, made_from: MadeFrom) -> Path:
    """Says where the table of such scores lies."""
    return scores_files.path_of(workdir, made_from.key())


def unfinished(workdir: Path, keys: Mapping[str, str], stage: str = "score") -> Pieces:
    """The pieces of score sets that are made in one pass over the clips.

    Args:
      workdir: where they lie.
      keys: whose set -> its key.
      stage: under which name.
    """
    return Pieces(workdir, stage, _key_of(keys), parallel.process_index())


def is_unfinished(workdir: Path, keys: Mapping[str, str], stage: str = "score") -> bool:
    """Whether there are pieces of these score sets."""
    return pieces.has(workdir, stage, _key_of(keys))


def _key_of(keys: Mapping[str, str]) -> str:
    return files.digest([list(keys.items()), parallel.device_count(), parallel.process_count()])


def whole_sets(run: runs.Run) -> dict[Path, MadeFrom]:
    """What each score set of a workdir is made from; those that are damaged or of older versions aside."""
    recorded, sets = manifest.read(run.workdir), {}
    for path in sorted(scores_files.folder_of(run.workdir).glob("*.parquet")):
        made_from = unscored.read(scores_files.read_note(path) or {})
        if made_from is not None and is_as_written(run, path):
            sets[path] = made_from
            if f"scores/{path.name}" not in recorded and parallel.process_index() == 0:
                # A run was killed between the table and the manifest.
                _record(run.workdir, path)
    return sets


def is_as_written(run: runs.Run, path: Path) -> bool:
    """Tells whether a table's hash is the one in the manifest; prints a line where it is not."""
    recorded = manifest.read(run.workdir).get(f"scores/{path.name}")
    whole = recorded is None or recorded == files.file_digest(path)
    if not whole and parallel.process_index() == 0:
        print(f"score: {path} is damaged, its hash is not the one in manifest.json; scored again")
    return whole


def put_first(workdir: Path, used: Sequence[Path], sets: Mapping[Path, MadeFrom], wanted: MadeFrom) -> None:
    """Makes the sets that serve a run the newest, whose rows stand where others hold the same key.

    Among them those come last, and so stand, that hold no metric otherwise than wanted, then those of exactly
    the wanted features, for which p-values are corrected, then those that hold most.
    """

    def rank(path: Path) -> tuple[bool, bool, int, int, int]:
        one = sets[path]
        otherwise = any(wanted.metrics.get(name, of) != of for name, of in one.metrics.items())
        most = (
            len(one.metrics.items() & wanted.metrics.items()),
            len(one.features.items() & wanted.features.items()),
        )
        return not otherwise, dict(one.features) == dict(wanted.features), *most, path.stat().st_mtime_ns

    last_first = sorted(used, key=rank, reverse=True)
    there = scores_files.tables_of(workdir)
    if there[: len(used)] != last_first:
        # No more than this: a time of today would say that they are scored today.
        newest = there[0].stat().st_mtime_ns + len(used)
        for i, path in enumerate(last_first):
            os.utime(path, ns=(newest - i, newest - i))


def beside(table: Path) -> list[Path]:
    """A score set's files: the table, examples, what was left out, and nulls where something is tested."""
    nulls = score_nulls.path_of(table)
    return [table, examples.path_of(table), left_out.path_of(table), *([nulls] if nulls.exists() else [])]


def keep(run: runs.Run, made_from: MadeFrom, source: loader.Source, computed: Computed) -> Path | None:
    """Writes the scores of a run, the table last; says what is not among them.

    Returns:
      The table; None where no comparison can be made.
    """
    path = path_of(run.workdir, made_from)
    if parallel.process_index() == 0:
        left_out.write(left_out.path_of(path), computed.left_out)
        if computed.left_out:
            count = len(computed.left_out)
            print(f"score: {count} comparisons left out; the report says which and why")
        if computed.nulls and run.setup.scored.null is not None:
            drawn_from = nulls.drawn_from(run.setup.scored.null, source)
            score_nulls.write(score_nulls.path_of(path), score_nulls.ScoreNulls(drawn_from, computed.nulls))
        if computed.tasks:
            write(run, made_from, source, computed.tasks)
        else:
            print(f"score: nothing to compare by {run.config.score.metrics}")
    return path if computed.tasks else None


def write(run: runs.Run, made_from: MadeFrom, source: loader.Source, tasks: Iterable[ScoredTask]) -> None:
    """Writes the table of the scores and keeps its hash in the manifest."""
    record, path = train_record.read(run.workdir), path_of(run.workdir, made_from)
    trained = {"hash": unscored.weights(run), "step": record and record.best_step}
    metadata = {"config": run.config.to_dict(), "checkpoint": trained}
    metadata |= {"clips": len(source), "recordings": len(set(source.recording_ids))}
    metadata["made_from"] = made_from._asdict()
    options = {chosen.metric.name: chosen.options for chosen in run.setup.metrics}
    part = run.setup.scored.part
    blocks = (block for task in tasks for block in _blocks(task, options[task.metric.name], part))
    scores_files.write_scores(path, blocks, metadata)
    _record(run.workdir, path)


def _record(workdir: Path, path: Path) -> None:
    """Keeps a table's hash, and where it was made, in the manifest."""
    entries = {f"scores/{path.name}": files.file_digest(path)}
    manifest.write(workdir, scored_on=parallel.describe_devices(), **entries)


def _blocks(task: ScoredTask, options: Mapping[str, Any], part: str) -> Iterator[dict[str, Any]]:
    """Yields one table block for each feature of a comparison."""
    problem = task.comparison.problem
    places = columns(problem, task.metric)
    for feature in problem.features:
        of_feature = [i for i, (name, _) in enumerate(places) if name == feature.name]
        span, whole = slice(of_feature[0], of_feature[-1] + 1), places[of_feature[0]][1] < 0
        outputs = {k: np.asarray(v)[:, span] for k, v in task.outputs.items() if np.ndim(v) == 2}
        yield scores_files.score_block(
            outputs,
            n_observations=outputs.pop("n_observations"),
            whole_feature=whole,
            row_names=feature.row_names,
            unit=feature.unit,
            network=task.network,
            layer=problem.layer.name,
            depth=problem.layer.depth,
            feature=feature.name,
            view=problem.view,
            part="between" if problem.view == "clip" else part,
            metric=task.metric.name,
            options=json.dumps(options, sort_keys=True),
        )
