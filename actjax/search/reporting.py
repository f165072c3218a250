"""Writes what a sweep's trials came to: the table, printed too, pictures, tests over all networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from actjax import runs
from actjax.report import sweep as pictures
from actjax.scoring import over_networks
from actjax.search import objective, space, trials
from actjax.workdir import recorded_config, sweep_scores, sweep_table, train_record


def write(run: runs.Run, every: Sequence[trials.Trial], search: space.Search | None) -> list[Path]:
    """Writes the table, prints it, and draws what the trials came to."""
    judging, metric = trials.Judging(run.workdir, search), search.metric if search else "test_accuracy"
    rows = []
    for name, changes, one in every:
        record = train_record.read(one.workdir)  # none where activations come from elsewhere
        status = judging.status(name, record is not None or trials.is_done(one))
        values = {} if metric == "test_accuracy" else {metric: objective.read(one.workdir, metric)}
        rows.append(sweep_table.Row(name, status, changes, record, values))
    print(sweep_table.text_of(rows).expandtabs(16))
    known = {row.variant: row.entries()[metric] for row in rows}
    if search is not None and (best := space.best(known, search.mode)) is not None:
        print(f"sweep: the best {metric}, {known[best]:.4g}, has {best}")
    return [*sweep_table.write(run.workdir, rows), *pictures.draw(run.workdir, rows, metric)]


def write_tests(workdir: Path, groups: Sequence[Mapping[str, runs.Run]]) -> list[Path]:
    """Writes the p-values over all networks of each group; nothing where none has two that are scored."""
    corrected = []
    for members in groups:
        scored = {name: run for name, run in members.items() if "score" in recorded_config.read(run.workdir)}
        columns = over_networks.correct(scored) if len(scored) > 1 else None
        if columns is not None:
            corrected.append({**columns, "group": np.full(len(columns["neuron"]), len(corrected), np.int32)})
    if not corrected:
        return []
    joined = {name: np.concatenate([one[name] for one in corrected]) for name in corrected[0]}
    return [sweep_scores.write(workdir, joined)]
