"""Runs the trials of a sweep one after another in this process."""

from collections.abc import Sequence
from pathlib import Path

from actjax import parallel
from actjax.search import trials
from actjax.search.space import Search
from actjax.workdir import train_record


def run(every: Sequence[trials.Trial], search: Search | None, workdir: Path, retries: int) -> list[Path]:
    """Runs every trial; one that fails is tried again from its checkpoint, then left, and the others go on.

    Raises:
      ValueError, OSError: mistakes that every trial would meet.
      KeyboardInterrupt: asked to stop; the same call goes on.
    """
    judging, outputs = trials.Judging(workdir, search), []
    asked = judging.goes_on if search is not None and search.asha is not None else None
    for trial in every:
        if parallel.process_index() == 0:
            print(f"== {trial.name}: " + ", ".join(f"{k} = {v}" for k, v in trial.changes.items()))
        if judging.is_stopped(trial.name) and train_record.read(trial.run.workdir) is not None:
            continue
        for attempt in range(retries + 1):
            try:
                outputs += trials.run_trial(trial.run, trial.name, asked)
            except Exception as error:
                if not trials.is_of_trial(error):
                    raise
                judging.note_failure(trial.name, trials.said(error))
                again = "tried again" if attempt < retries else "left"
                print(f"sweep: {trial.name} failed ({trials.said(error)}), {again}")
            else:
                judging.note_failure(trial.name, None)
                break
    return outputs
