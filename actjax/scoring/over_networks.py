"""Corrects p-values over the networks of several runs: members of a population, trials of a sweep.

Each run's table is corrected over its own networks, one by one. Whoever looks at five seeds and picks the
neuron that follows a feature best has looked at five times as many pairs. As replicate r rearranges the clips
of all of them alike, the largest statistic of replicate r over all networks is the largest of their largest.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import files, lookup, runs
from actjax.scores import files as scores_files
from actjax.scoring import score_set, unscored
from actjax.statistics import families
from actjax.workdir import score_nulls
from actjax.workdir.score_nulls import Family, Replicates

# Of a score table, what is read; the family's names stand first.
_LABELS = (*Family._fields, "feature", "row_name")
_NUMBERS = ("neuron", "row", "score", "null_mean", "null_std", "p_value", "p_maxt")


class RunTests(NamedTuple):
    """The tests of one run.

    Attributes:
      columns: name -> [tests], of a score table.
      replicates: of their families.
    """

    columns: Mapping[str, np.ndarray]
    replicates: Mapping[Family, Replicates]


def correct(members: Mapping[str, runs.Run]) -> dict[str, np.ndarray] | None:
    """The tests of all runs with p-values over all their networks of one name, layer by layer.

    A family is one network ("trained", "untrained"), layer, view and metric of all runs.

    Args:
      members: name -> its run, scored; they differ in seeds and weights alone.

    Returns:
      Columns of `workdir.sweep_scores` but its group; None where fewer than two have tests of the same draws,
      or what a run keeps of them is absent or damaged, which is said.
    """
    try:
        of_members = {name: tests for name, run in members.items() if (tests := _tests(run)) is not None}
    except (files.FileError, FileNotFoundError) as why:
        # The scores of each run are whole without it, and so is all else of the sweep.
        print(f"sweep: no p-values over networks: {why}; remove the scores beside it, and run again")
        return None
    if len(of_members) < 2 or len({draws for draws, _ in of_members.values()}) > 1:
        return None
    signed = {chosen.metric.name: chosen.metric.signed for chosen in _first(members).setup.metrics}
    return corrected({name: tests for name, (_, tests) in of_members.items()}, signed)


def corrected(members: Mapping[str, RunTests], signed: Mapping[str, bool]) -> dict[str, np.ndarray]:
    """As `correct`, of tests that were read; `signed` says of each metric whether both directions count."""
    names = np.repeat(list(members), [len(one.columns["neuron"]) for one in members.values()])
    columns = {
        name: np.concatenate([one.columns[name] for one in members.values()])
        for name in (*_LABELS, *_NUMBERS)
    }
    starts = np.cumsum([0, *(len(one.columns["neuron"]) for one in members.values())])
    p_maxt, q_value = (np.full(len(names), np.nan) for _ in range(2))
    by_family: dict[Family, list[tuple[np.ndarray, families.Null]]] = {}
    for tests, start in zip(members.values(), starts, strict=False):
        for family, at in _places(tests):
            null = _null(tests, family, at, signed[family.metric])
            by_family.setdefault(family, []).append((start + at, null))
    for of_family in by_family.values():
        corrections = families.correct([null for _, null in of_family])
        for (at, _), one in zip(of_family, corrections, strict=True):
            p_maxt[at], q_value[at] = one.p_maxt, one.q
    numbers = {name: columns[name] for name in ("neuron", "row", "score", "p_value", "p_maxt")}
    labels = {name: columns[name] for name in _LABELS}
    return {"variant": names, **labels, **numbers, "group_p_maxt": p_maxt, "group_q_value": q_value}


def _first(members: Mapping[str, runs.Run]) -> runs.Run:
    return next(iter(members.values()))


def _tests(run: runs.Run) -> tuple[str, RunTests] | None:
    """A hash of a run's draws, and its tests, of the score sets that hold what its config asks for."""
    null, networks = run.setup.scored.null, run.setup.scored.run_networks
    if null is None or not networks:
        return None
    wanted = unscored.made_from(run, run.open_source(run.setup.scored.split))
    tables: dict[Path, list[str]] = {}
    for path, one in score_set.whole_sets(run).items():
        same = one.base == wanted.base and dict(one.features) == dict(wanted.features)
        tested = [spec for spec in wanted.tested if same and one.metrics.get(spec) == wanted.metrics[spec]]
        if tested:
            tables[path] = [lookup.parse_specs(spec)[0][0] for spec in tested]
    if not tables:
        return None
    nulls = {path: score_nulls.read(score_nulls.path_of(path)) for path in tables}
    read = [_columns(path, metrics, networks) for path, metrics in tables.items()]
    replicates = {family: of for one in nulls.values() for family, of in one.families.items()}
    columns = {name: np.concatenate([one[name] for one in read]) for name in (*_LABELS, *_NUMBERS)}
    return next(iter(nulls.values())).draws, RunTests(columns, replicates)


def _columns(path: Path, metrics: Sequence[str], networks: Sequence[str]) -> dict[str, np.ndarray]:
    """The rows of a score table that have a p-value, of some metrics and networks."""
    rows = scores_files.read_tested(path, (*_LABELS, *_NUMBERS))
    chosen = np.isin(rows["metric"], metrics) & np.isin(rows["network"], networks)
    return {name: values[chosen] for name, values in rows.items()}


def _places(tests: RunTests) -> Iterator[tuple[Family, np.ndarray]]:
    """Each family of a run, and where its tests stand."""
    import pyarrow as pa

    codes, names = np.zeros(len(tests.columns["neuron"]), np.int64), []
    for name in Family._fields:
        column = pa.array(tests.columns[name], pa.string()).dictionary_encode()
        names.append(column.dictionary.to_pylist())
        codes = codes * len(names[-1]) + column.indices.to_numpy()
    for code in np.unique(codes):
        digits = np.unravel_index(int(code), [len(of) for of in names])
        yield (
            Family(*(of[digit] for of, digit in zip(names, digits, strict=True))),
            np.flatnonzero(codes == code),
        )


def _null(tests: RunTests, family: Family, at: np.ndarray, signed: bool) -> families.Null:
    """What `families.correct` wants of a run's tests of one family."""
    of = {name: np.asarray(tests.columns[name][at], np.float64) for name in _NUMBERS}
    replicates = tests.replicates[family]
    counts = np.zeros(families.BINS, np.int64)
    counts[replicates.bins] = replicates.in_bins
    score, mean, std = of["score"], of["null_mean"], of["null_std"]
    statistic = families.statistic_of(score, mean, std, len(replicates.max_r), signed=signed)
    values: dict[str, Any] = {"score": score, "mean": mean, "std": std, "z": (score - mean) / std}
    return families.Null(
        **values, p=of["p_value"], statistic=statistic, max_r=replicates.max_r, counts=counts
    )
