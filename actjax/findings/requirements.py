"""What findings need of a run's options and clips, refused before anything is computed."""

from typing import Any

from actjax import run as runs
from actjax.data import loader
from actjax.findings import networks
from actjax.findings.claims import TITLES
from actjax.findings.claims.setting import Setting, settings
from actjax.statistics.requirements import StatisticsError, check_replicates

OPTIONS = ("untrained", "replicates", "rotations", "bootstrap", "splits")


def left_out(config: Any) -> str | None:
    """Why a run has no findings to test, or None."""
    if config.findings.untrained == 0:
        return "findings.untrained = 0"
    if config.score.activations:
        return "score.activations come from elsewhere: there is no network to shuffle or to start anew"
    return None


def opened(run: runs.Run) -> tuple[Setting, loader.Source] | None:
    """Refuses what the data, the options or a missing control cannot support, before anything is computed.

    Returns:
      What all networks share, and the clips that are scored; None where the stage is left out.

    Raises:
      StatisticsError, ValueError, FileNotFoundError: one line.
    """
    if left_out(run.config):
        return None
    check_options(run.config)
    test = loader.open_source(runs.builder(run), run.config.score.split)
    networks.label_control(run)
    try:
        return settings(run.config.findings, test, run.config.data.seed), test
    except StatisticsError as error:
        raise StatisticsError(f"findings: {error}; --config.findings.untrained=0 leaves them out") from None


def check_options(config: Any) -> None:
    """Refuses counts below 1, and replicates too few for four tests at 0.05; one line."""
    if left_out(config):
        return
    for name in OPTIONS:
        if config.findings[name] < 1:
            raise ValueError(f"findings.{name} must be at least 1, got {config.findings[name]}")
    check_replicates(config.findings.replicates, 0.05, tests=len(TITLES))
