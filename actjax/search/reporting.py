"""Writes what a sweep's trials came to: the table, printed too, and pictures."""

from collections.abc import Sequence
from pathlib import Path

from actjax import runs
from actjax.report import sweep as pictures
from actjax.search import objective, space, trials
from actjax.workdir import sweep_table, train_record


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
