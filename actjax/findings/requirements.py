"""What findings need of a run's options and clips, refused before anything is computed."""

from actjax import runs
from actjax.data import loader
from actjax.findings import networks
from actjax.findings.claims import TITLES
from actjax.findings.claims.setting import Setting, settings
from actjax.setup import Setup
from actjax.statistics.requirements import StatisticsError, check_replicates


def left_out(setup: Setup) -> str | None:
    """Why a run has no findings to test, or None."""
    if setup.findings.untrained == 0:
        return "findings.untrained = 0"
    if setup.scored.activations:
        return "score.activations come from elsewhere: there is no network to shuffle or to start anew"
    return None


def opened(run: runs.Run) -> tuple[Setting, loader.Source]:
    """Refuses what the data, the options or a missing control cannot support, before anything is computed.

    Returns:
      What all networks share, and the clips that are scored.

    Raises:
      StatisticsError, ValueError, FileNotFoundError: one line.
    """
    check_options(run.setup)
    test = run.open_source(run.setup.scored.split)
    networks.label_control(run)
    try:
        return settings(run.setup.findings, test), test
    except StatisticsError as error:
        raise StatisticsError(f"findings: {error}; --config.findings.untrained=0 leaves them out") from None


def check_options(setup: Setup) -> None:
    """Refuses replicates that are too few for four tests at 0.05; one line."""
    if not left_out(setup):
        check_replicates(setup.findings.replicates, 0.05, tests=len(TITLES))
