"""How far the scores and findings of one network agree on two sets of clips, in rows of a table."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax.scores.schema import codes
from actjax.similarity.host.ranks import host_twice_ranks

if TYPE_CHECKING:
    import pyarrow

NETWORKS = ("trained", "untrained")
BEST = 5


class Profiles(NamedTuple):
    """The scores of a network's neurons under one metric.

    Attributes:
      neurons: (layer, neuron) of each row.
      features: (feature, row) of each column.
      score_nk: [neurons, features], NaN where undefined or not compared.
    """

    neurons: tuple[tuple[str, int], ...]
    features: tuple[tuple[str, int], ...]
    score_nk: np.ndarray


Key = tuple[str, str, str, str, str]


def profiles(table: "pyarrow.Table") -> dict[Key, Profiles]:
    """(view, within or between, metric, options, network) -> the scores of NETWORKS."""
    columns = {
        name: codes(table, name)
        for name in ("network", "layer", "feature", "view", "part", "metric", "options")
    }
    text = {name: np.asarray(names, object)[code] for name, (code, names) in columns.items()}
    neuron, row = (table[name].to_numpy() for name in ("neuron", "row"))
    score = np.where(table["valid"].to_numpy(), table["score"].to_numpy(), np.nan)
    groups: dict[Key, list[int]] = {}
    for i, key in enumerate(
        zip(text["view"], text["part"], text["metric"], text["options"], text["network"], strict=True)
    ):
        if key[-1] in NETWORKS:
            groups.setdefault(key, []).append(i)
    by_key = {}
    for key, at in groups.items():
        units = list(zip(text["layer"][at], neuron[at].tolist(), strict=True))
        rows = list(zip(text["feature"][at], row[at].tolist(), strict=True))
        unit_of = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
        row_of = {one: i for i, one in enumerate(dict.fromkeys(rows))}
        score_nk = np.full((len(unit_of), len(row_of)), np.nan)
        score_nk[[unit_of[u] for u in units], [row_of[r] for r in rows]] = score[at]
        by_key[key] = Profiles(tuple(unit_of), tuple(row_of), score_nk)
    return by_key


def score_rows(first: "pyarrow.Table", second: "pyarrow.Table") -> Iterator[dict[str, Any]]:
    """One row a view, metric and network: how far the neurons' best features and profiles agree.

    same_feature is the share of neurons whose best feature by |score| is the same on both sets, same_row
    that of the same row of it; rank the mean Spearman correlation of a neuron's |scores| over all rows; r
    the correlation of all scores; best_neuron the share of rows whose best neuron on the first set is among
    the best five on the second.
    """
    one, other = profiles(first), profiles(second)
    for key in sorted(one.keys() & other.keys()):
        a, b = _aligned(one[key], other[key])
        view, of, metric, options, network = key
        yield {
            "view": f"{view}, {of}",
            "metric": metric if options == "{}" else f"{metric} {options}",
            "network": network,
            "neurons": len(a.neurons),
            "rows": len(a.features),
            **agreement(a, b.score_nk),
        }


def agreement(first: Profiles, score_nk: np.ndarray) -> dict[str, float]:
    """The five measures of `score_rows`; neurons and rows without a score on both sets are left out."""
    x, y = (np.abs(side).astype(np.float32) for side in (first.score_nk, score_nk))
    both = np.isfinite(x) & np.isfinite(y)
    x, y = (np.where(both, side, np.float32(-1)) for side in (x, y))
    use_n, use_k = both.any(1), both.any(0)
    best_x, best_y = x.argmax(1)[use_n], y.argmax(1)[use_n]
    feature = np.asarray([name for name, _ in first.features], object)
    ranked = [host_twice_ranks(side, both).astype(float) for side in (x, y)]
    ranks = [
        _correlation(ranked[0][n, both[n]], ranked[1][n, both[n]]) for n in np.flatnonzero(both.sum(1) > 2)
    ]
    leaders = np.argsort(-y, axis=0, kind="stable")[:BEST]
    survives = (leaders == x.argmax(0)).any(0)[use_k]
    return {
        "same_feature": float(np.mean(feature[best_x] == feature[best_y])),
        "same_row": float(np.mean(best_x == best_y)),
        "rank": float(np.nanmean(ranks)) if ranks else np.nan,
        "r": _correlation(first.score_nk[both], score_nk[both]),
        "best_neuron": float(np.mean(survives)),
    }


def finding_rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a claim and question: what it shows on the first set, and on the second."""
    others = {(claim["finding"], claim["part"]): claim for claim in second["parts"]}
    for claim in first["parts"]:
        other = others.get((claim["finding"], claim["part"]))
        if other is None:
            continue
        for question, answer in claim["answers"].items():
            repeated = other["answers"].get(question)
            if repeated is not None:
                yield {
                    "finding": claim["finding"],
                    "claim": claim["title"],
                    "question": question,
                    "first": answer["verdict"],
                    "second": repeated["verdict"],
                    "first_effect": answer["effect"],
                    "second_effect": repeated["effect"],
                    "first_score": claim["scores"]["trained"]["value"],
                    "second_score": other["scores"]["trained"]["value"],
                }


def _aligned(first: Profiles, second: Profiles) -> tuple[Profiles, Profiles]:
    """Both on the neurons and rows that they share."""
    neurons, features = (
        tuple(name for name in mine if name in theirs)
        for mine, theirs in ((first.neurons, set(second.neurons)), (first.features, set(second.features)))
    )

    def of(one: Profiles) -> Profiles:
        row_of = {name: i for i, name in enumerate(one.neurons)}
        column_of = {name: i for i, name in enumerate(one.features)}
        places = np.ix_([row_of[n] for n in neurons], [column_of[f] for f in features])
        return Profiles(neurons, features, one.score_nk[places])

    return of(first), of(second)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's; NaN where a side is constant."""
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else float("nan")
