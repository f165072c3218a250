"""Holds the named units of a run's network against the hypotheses written down for them."""

from pathlib import Path

from actjax import parallel, runs
from actjax.hypotheses import judged, known_units, pitch_classes, statements
from actjax.imported import network
from actjax.scores.files import load_scores
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import hypotheses_table


def hold(run: runs.Run) -> list[Path]:
    """Writes a verdict on each hypothesis of `hypotheses.network`, from the scores in the workdir.

    Raises:
      FileNotFoundError: the workdir holds no imported network or no scores.
      ValueError: the file is damaged, or names a unit that there is not.
    """
    if parallel.process_index() != 0:
        return []
    options = run.config.hypotheses
    path = Path(options.file).expanduser()
    stated = statements.of_network(path, options.network)
    table, outputs = load_scores(run.workdir), network.record_of(run).classes
    results, commit = judged.judge(table, stated, outputs), statements.commit_of(path)
    written = hypotheses_table.write(run.workdir, (judged.line_of(one, commit) for one in results))
    print(judged.summary(results))
    print(known_units.text_of(known_units.standings(table, stated, outputs)))
    # None sounds where the deepest layer follows something else, such as onsets.
    if (bins := pitch_classes.follow(table, outputs)) is not None and bins.bins:
        print(pitch_classes.said(bins))
    return [written]


def check_options(run: runs.Run) -> None:
    """Before any work: there is a file, and it has hypotheses of this network.

    Raises:
      FileNotFoundError, ValueError: one line that says what is missing.
    """
    options = run.config.hypotheses
    if not options.file:
        raise ValueError("hypotheses.file is empty: name a .csv, as configs/outside.py does")
    statements.of_network(Path(options.file).expanduser(), options.network)


stage = Stage("hypotheses", check_options=check_options, check=refuse_nothing, run=hold)
