"""The score set of a run: its name, which is a hash of all that its scores depend on, and its table."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel, runs
from actjax.data import loader
from actjax.scores import files as scores_files
from actjax.scoring import from_elsewhere
from actjax.scoring.tasks import ScoredTask, columns
from actjax.workdir import manifest, train_record


def path_of(run: runs.Run, source: loader.Source) -> Path:
    """Says where the table of the run's scores lies."""
    return scores_files.path_of(run.workdir, name_of(run, source))


def name_of(run: runs.Run, source: loader.Source) -> str:
    """Names the score set by a hash of everything the scores depend on."""
    elsewhere = from_elsewhere.fingerprint(run.setup.scored)
    made_from = [run.config.score.to_dict(), _checkpoint_id(run), source.fingerprint, *elsewhere]
    return files.digest([scores_files.VERSION, *made_from])


def is_as_written(run: runs.Run, path: Path) -> bool:
    """Tells whether a table's hash is the one in the manifest; prints a line where it is not."""
    recorded = manifest.read(run.workdir).get(f"scores/{path.name}")
    whole = recorded is None or recorded == files.file_digest(path)
    if not whole and parallel.process_index() == 0:
        print(f"score: {path} is damaged, its hash is not the one in manifest.json; scored again")
    return whole


def write(run: runs.Run, path: Path, source: loader.Source, tasks: Iterable[ScoredTask]) -> None:
    """Writes the table of the scores and keeps its hash in the manifest."""
    record = train_record.read(run.workdir)
    trained = {"hash": _checkpoint_id(run), "step": record and record.best_step}
    metadata = {"config": run.config.to_dict(), "checkpoint": trained}
    metadata |= {"clips": len(source), "recordings": len(set(source.recording_ids))}
    options = {chosen.metric.name: chosen.options for chosen in run.setup.metrics}
    part = run.setup.scored.part
    blocks = (block for task in tasks for block in _blocks(task, options[task.metric.name], part))
    scores_files.write_scores(path, blocks, metadata)
    files_hashed = {f"scores/{path.name}": files.file_digest(path)}
    manifest.write(run.workdir, scored_on=parallel.describe_devices(), **files_hashed)


def _checkpoint_id(run: runs.Run) -> str:
    if "trained" not in run.setup.scored.networks:
        return "none"
    return train_record.need(run.workdir).weights


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
