"""Estimates effects of training on what neurons follow: cross-fitted scores, intervals, tests, verdicts.

A network's neurons come as a `clip_sums.Table` of sums in each clip. Any weighting of
clips, halves and bootstrap resamples alike, is then a matrix product, in float64 on the host:

    table = clip_sums.clip_sums(x_bon, y_bok, mask_bo)
    chosen = fit(table, CONTRAST, halves)            # chosen on one half, reported on the other
    draws = resampled(table, CONTRAST, chosen, halves, weights)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from actjax.findings.cross_fitting import selection
from actjax.findings.cross_fitting.clip_sums import Table, scores
from actjax.statistics import bootstrap

# A feature that all units together predict with a smaller r is not known to the layer: no share of it.
LEAST_KNOWN = 0.3
# An effect above this counts as one.
MARGIN = 0.05
# A p below this is above chance.
LEVEL = 0.05


class Candidates(NamedTuple):
    """What the rows' scores r [..., n, k] are made into: one value for each candidate [..., n, c].

    Attributes:
      combine: (r, known, least) -> [..., n, c]; `known` [..., 1, k] is the r of all units together.
      signed: whether the sign of a candidate is direction only, so that either one is a finding.
    """

    combine: Callable[[np.ndarray, np.ndarray | None, float], np.ndarray]
    signed: bool


def _share(r: np.ndarray, known: np.ndarray | None, least: float) -> np.ndarray:
    if known is None:
        raise TypeError("a share needs the r of all units together")
    return np.abs(r) / np.where(known > least, known, np.nan)


# r itself, with its sign, for every feature row.
FOLLOW = Candidates(lambda r, known, least: r, True)
# r_0 without a sign: similarities such as cka.
RESEMBLE = Candidates(lambda r, known, least: r[..., :1], False)
# |r_0| - |r_1|: closer to the first row than to the second; either direction is a finding.
CONTRAST = Candidates(lambda r, known, least: np.abs(r[..., :1]) - np.abs(r[..., 1:2]), True)
# r_0 - r_1: what is lost when row 1 replaces row 0.
DROP = Candidates(lambda r, known, least: r[..., :1] - r[..., 1:2], False)
# |r| of a unit over the r of all units together, `Table.known`.
SHARE = Candidates(_share, False)


class Score(NamedTuple):
    """A cross-fitted score: `value`, what was chosen, and its bootstrap draws [r]."""

    value: float
    chosen: selection.CrossFitted
    draws: np.ndarray


class Effect(NamedTuple):
    """Trained minus the strongest of some controls.

    Attributes:
      value: the effect, mean over seeds.
      low, high: its 95 % interval over recordings, and over seeds where there are several.
      control: name of the strongest control.
      draws: [r] bootstrap draws of the effect.
    """

    value: float
    low: float
    high: float
    control: str
    draws: np.ndarray


def candidates(
    table: Table, how: Candidates, weights_wb: np.ndarray, least: float = LEAST_KNOWN
) -> np.ndarray:
    """[w, n, c] what is selected from, in which clip b counts weights_wb[w, b] times."""
    known = None if table.known is None else scores(table.known, weights_wb)
    return how.combine(scores(table, weights_wb), known, least)


def fit(table: Table, how: Candidates, halves_shb: np.ndarray) -> selection.CrossFitted:
    """The best candidate of each half, reported in the other."""
    splits, two, clips = halves_shb.shape
    values = candidates(table, how, halves_shb.reshape(-1, clips).astype(np.float64))
    return selection.cross_fit(values.reshape(splits, two, *values.shape[1:]), signed=how.signed)


def resampled(
    table: Table,
    how: Candidates,
    chosen: selection.CrossFitted,
    halves_shb: np.ndarray,
    weights_rb: np.ndarray,
) -> np.ndarray:
    """[r] bootstrap draws of a cross-fitted score: what was chosen stays, the clips are resampled."""
    drawn = np.argwhere(~np.isnan(chosen.scores))
    if not len(drawn):
        return np.full(len(weights_rb), np.nan)
    n, c = chosen.chosen[*drawn.T].T
    # The half that reports leaves the other clips out of its unit's sums: one product then serves all.
    units = _within(table, n, halves_shb[drawn[:, 0], 1 - drawn[:, 1]].T)
    # Whether a feature is known was settled by the choice; a resample does not settle it anew.
    values_ruc = candidates(units, how, weights_rb, least=0.0)
    return (chosen.sign[*drawn.T] * values_ruc[:, np.arange(len(n)), c]).mean(axis=1)


def _within(table: Table, n: np.ndarray, clips_bu: np.ndarray) -> Table:
    """Units u of a table, each with the sums of its own clips [b, u] alone."""
    share = clips_bu[:, :, None].astype(np.float64)
    xx = None if table.xx is None else table.xx[:, n] * (clips_bu if table.xx.ndim == 2 else share)
    known = None if table.known is None else _within(table.known, np.zeros_like(n), clips_bu)
    return Table(table.xy[:, n] * share, xx, table.yy[:, n] * share, known)


def cross_fitted(table: Table, how: Candidates, halves_shb: np.ndarray, weights_rb: np.ndarray) -> Score:
    """`fit` and `resampled` together."""
    chosen = fit(table, how, halves_shb)
    return Score(chosen.score, chosen, resampled(table, how, chosen, halves_shb, weights_rb))


def null_values(scores_rshnc: np.ndarray, *, signed: bool) -> np.ndarray:
    """[1 + r] cross-fitted scores with the selection repeated in every replicate.

    Args:
      scores_rshnc: [1 + r, s, 2, n, c] candidates under each rearrangement, the observed one first.
      signed: as in `selection.cross_fit`.
    """
    return np.asarray([selection.cross_fit(scores_shnc, signed=signed).score for scores_shnc in scores_rshnc])


def permutation_p(values_r: np.ndarray) -> float:
    """(1 + replicates that reach the observed value) / (R + 1), the observed value first."""
    if np.isnan(values_r[0]):
        return float("nan")
    # A replicate this close has reached it, so that rounding breaks no tie in its favour.
    tie = 1e-4 * np.nanstd(values_r[1:])
    return float((1 + (values_r[1:] >= values_r[0] - tie).sum()) / len(values_r))


def effect(trained_sr: np.ndarray, controls: Mapping[str, np.ndarray], *, level: float = 0.95) -> Effect:
    """Trained minus the strongest control, which the result names.

    Args:
      trained_sr: [s, 1 + r] for each training seed the score and its bootstrap draws.
      controls: name -> the same of a kind of control (mean over its members).

    The strongest is the one of the largest mean score; the draws share their weights of recordings.
    """
    means = {name: np.mean(value_sr[:, 0]) for name, value_sr in controls.items()}
    means = {name: value for name, value in means.items() if not np.isnan(value)}
    if not means or np.isnan(trained_sr[:, 0]).any():
        undefined = np.full(trained_sr.shape[1] - 1, np.nan)
        return Effect(float("nan"), float("nan"), float("nan"), "none", undefined)
    strongest = max(means, key=means.__getitem__)
    gap_sr = trained_sr - controls[strongest]
    draws = bootstrap.over_seeds(gap_sr[:, 1:])
    low, high = bootstrap.percentile_interval(draws, level=level)
    return Effect(float(gap_sr[:, 0].mean()), float(low), float(high), strongest, draws)


def above_chance(p: float) -> str:
    """Whether a score is above chance, of `findings_table.VERDICTS`: yes where p < 0.05."""
    if np.isnan(p):
        return "unknown"
    return "yes" if p < LEVEL else "no"


def verdict(low: float, high: float, effects_s: Sequence[float]) -> str:
    """What a difference's interval and its seeds say; one of `findings_table.VERDICTS`.

    yes: interval above 0.05 and, where there are several seeds, a difference above 0 in four of five; weakly:
    interval above 0; less: interval below 0; no: it holds 0; unknown: there is no interval.
    """
    if np.isnan(low) or np.isnan(high):
        return "unknown"
    agree = np.mean(np.asarray(effects_s) > 0) >= 0.8 if len(effects_s) > 1 else True
    if low > MARGIN and agree:
        return "yes"
    if low > 0:
        return "weakly"
    return "less" if high < 0 else "no"


def together(verdicts: Sequence[str]) -> str:
    """The verdict on a finding of several claims: what every claim bears out.

    A finding says that all its claims hold, so its p is the largest of theirs (an
    intersection-union test: Berger, Technometrics 24, 1982) and one claim that fails refutes it.
    """
    if all(v == "less" for v in verdicts):
        return "less"
    if "no" in verdicts or "less" in verdicts:
        return "no"
    if "unknown" in verdicts:
        return "unknown"
    return "yes" if all(v == "yes" for v in verdicts) else "weakly"
