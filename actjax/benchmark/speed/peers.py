"""What people use instead of each metric: libraries pair by pair, formulas in NumPy and PyTorch."""

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.speed import torch_peers
from actjax.benchmark.timing import Work

ALPHA, BINS, TOP_SHARE = 0.05, 8, 0.05
# Pairs, columns and loop steps that stand for all.
PAIRS, COLUMNS, STEPS = 16, 64, 4


class Peer(NamedTuple):
    """Another way to the same scores.

    Attributes:
      name: for the table.
      works: each with how many times it would be done for all pairs.
    """

    name: str
    works: tuple[tuple[Work, float], ...]


class Data(NamedTuple):
    """Both sides in both layouts: x [n, o] and y [k, o], and their transposes [o, n] and [o, k]."""

    x_no: np.ndarray
    y_ko: np.ndarray
    x_on: np.ndarray
    y_ok: np.ndarray

    @property
    def pairs(self) -> int:
        """n k."""
        return len(self.x_no) * len(self.y_ko)


def peers(metric: str, data: Data, missing: set[str]) -> list[Peer]:
    """The peers of a metric that can be imported; the libraries that cannot are added to `missing`."""
    return list(_PEERS.get(metric, _none)(data, missing))


def _library(name: str, missing: set[str]) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        missing.add(name.split(".")[0])
        return None


def _none(data: Data, missing: set[str]) -> Iterator[Peer]:
    yield from ()


def _pearson(data: Data, missing: set[str]) -> Iterator[Peer]:
    yield Peer("NumPy z-score + product", ((lambda: _numpy_correlation(data.x_no, data.y_ko), 1.0),))
    if torch := _torch(missing):
        yield _product_in_torch(torch, torch_peers.correlation, data)
    if stats := _library("scipy.stats", missing):
        yield _by_pair("scipy.stats.pearsonr, each pair", data, lambda x, y: stats.pearsonr(x, y))


def _cosine(data: Data, missing: set[str]) -> Iterator[Peer]:
    def formula():
        norms = [np.linalg.norm(side, axis=1, keepdims=True) for side in data[:2]]
        return (data.x_no / norms[0]) @ (data.y_ko / norms[1]).T

    yield Peer("NumPy normalised + product", ((formula, 1.0),))
    if torch := _torch(missing):
        yield _product_in_torch(torch, torch_peers.cosine, data)


def _spearman(data: Data, missing: set[str]) -> Iterator[Peer]:
    if stats := _library("scipy.stats", missing):
        some = data.x_no[:COLUMNS]
        columns = (len(data.x_no) + len(data.y_ko)) / len(some)
        product = (lambda: _numpy_correlation(data.x_no, data.y_ko), 1.0)
        yield Peer(
            "scipy.stats.rankdata + product", ((lambda: stats.rankdata(some, axis=1), columns), product)
        )
        yield _by_pair("scipy.stats.spearmanr, each pair", data, lambda x, y: stats.spearmanr(x, y))


def _auc(data: Data, missing: set[str], turned: bool = False) -> Iterator[Peer]:
    """A loop over the ranked side's columns, each against the sets of all columns of the other side."""
    if torch := _torch(missing):
        ranked, thresholded = (data.x_on, data.y_ok) if turned else (data.y_ok, data.x_on)
        values, hot = (torch_peers.tensor(torch, side) for side in (ranked[:, :COLUMNS], _top(thresholded)))
        rank, steps = torch_peers.auc(torch, values, hot, STEPS)
        columns = ranked.shape[1]
        works = ((rank, columns / min(COLUMNS, columns)), (steps, columns / STEPS))
        yield Peer("PyTorch formula, looped", works)
    if metrics := _library("sklearn.metrics", missing):
        yield _by_pair("sklearn roc_auc_score, each pair", data, metrics.roc_auc_score, True, turned)


def _inverse_auc(data: Data, missing: set[str]) -> Iterator[Peer]:
    return _auc(data, missing, turned=True)


def _mean_difference(data: Data, missing: set[str]) -> Iterator[Peer]:
    if torch := _torch(missing):
        x_on, hot_ok = (torch_peers.tensor(torch, side) for side in (data.x_on, _top(data.y_ok)))
        steps = torch_peers.mean_difference(x_on, hot_ok, STEPS)
        yield Peer("PyTorch formula, looped", ((steps, len(data.y_ko) / STEPS),))


def _average_precision(data: Data, missing: set[str], turned: bool = False) -> Iterator[Peer]:
    if metrics := _library("sklearn.metrics", missing):
        score = metrics.average_precision_score
        yield _by_pair("sklearn average_precision_score, each pair", data, score, True, turned)


def _inverse_average_precision(data: Data, missing: set[str]) -> Iterator[Peer]:
    return _average_precision(data, missing, turned=True)


def _set_score(name: str) -> Callable[[Data, set[str]], Iterator[Peer]]:
    def of_data(data: Data, missing: set[str]) -> Iterator[Peer]:
        if metrics := _library("sklearn.metrics", missing):
            sides = [_top(side[:, :PAIRS]).T.copy() for side in (data.x_on, data.y_ok)]
            few = Data(*sides, *sides)
            scale = data.pairs / few.pairs
            peer = _by_pair(f"sklearn {name}, each pair", few, getattr(metrics, name))
            yield Peer(peer.name, tuple((work, times * scale) for work, times in peer.works))

    return of_data


def _mutual_information(data: Data, missing: set[str]) -> Iterator[Peer]:
    if metrics := _library("sklearn.metrics", missing):
        count = _count(data)
        binned = []
        for side in (data.x_no[:count], data.y_ko[:count]):
            edges = np.quantile(side, np.arange(1, BINS) / BINS, axis=1).T
            binned.append([np.digitize(row, inner) for row, inner in zip(side, edges, strict=True)])

        def each():
            for x, y in zip(*binned, strict=True):
                metrics.mutual_info_score(x, y)

        yield Peer("sklearn mutual_info_score, each pair", ((each, data.pairs / count),))


def _distance_correlation(data: Data, missing: set[str]) -> Iterator[Peer]:
    if dcor := _library("dcor", missing):
        yield _by_pair("dcor.distance_correlation, each pair", data, _in_float64(dcor.distance_correlation))


def _kendall(data: Data, missing: set[str]) -> Iterator[Peer]:
    if stats := _library("scipy.stats", missing):
        yield _by_pair("scipy.stats.kendalltau, each pair", data, lambda x, y: stats.kendalltau(x, y))


def _rank_reorder(data: Data, missing: set[str]) -> Iterator[Peer]:
    if torch := _torch(missing):
        x_on, y_ok = (torch_peers.tensor(torch, side) for side in (data.x_on[:, :STEPS], data.y_ok))
        steps = torch_peers.reorder(torch, x_on, y_ok, TOP_SHARE)
        yield Peer("PyTorch formula, looped", ((steps, len(data.x_no) / STEPS),))


def _ridge(data: Data, missing: set[str]) -> Iterator[Peer]:
    library = torch_peers.himalaya()
    if library is None:
        missing.add("himalaya")
    elif torch := _torch(missing):
        o = data.x_no.shape[1]
        x_on, y_ok = (torch_peers.tensor(torch, side) for side in (data.x_on, data.y_ok))
        work = torch_peers.nested_ridge(torch, library, x_on, y_ok, folds_of(o))
        yield Peer("himalaya RidgeCV, nested", ((work, 1.0),))


def folds_of(o: int) -> np.ndarray:
    """[o] the fold of each observation: fifty clips, in turn in five folds."""
    return np.arange(o, dtype=np.int32) * 50 // o % 5


def _by_pair(name: str, data: Data, score: Any, active: bool = False, turned: bool = False) -> Peer:
    """`score` of some pairs; the first made a set where `active`, sides exchanged where `turned`."""
    count = _count(data)
    left, right = (data.y_ko, data.x_no) if turned else (data.x_no, data.y_ko)
    left, right = left[:count], right[:count]
    if active:
        left = _top(left.T).T.copy()

    def each():
        for x, y in zip(left, right, strict=True):
            score(x, y)

    return Peer(name, ((each, data.pairs / count),))


def _count(data: Data) -> int:
    return min(PAIRS, len(data.x_no), len(data.y_ko))


def _top(values: np.ndarray) -> np.ndarray:
    """The largest values of each column, as booleans."""
    return values >= np.quantile(values, 1 - ALPHA, axis=0)


def _in_float64(score: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: score(x.astype(np.float64), y.astype(np.float64))


def _numpy_correlation(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    zx, zy = ((v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True) for v in (x_no, y_ko))
    return zx @ zy.T / x_no.shape[1]


def _product_in_torch(torch: ModuleType, formula: Callable[..., Work], data: Data) -> Peer:
    """A formula of whole sides, on the GPU where there is one."""
    sides = (torch_peers.tensor(torch, side) for side in (data.x_on, data.y_ok))
    return Peer("PyTorch formula", ((formula(*sides), 1.0),))


def _torch(missing: set[str]) -> ModuleType | None:
    torch = torch_peers.load()
    if torch is None:
        missing.add("torch")
    return torch


_PEERS: dict[str, Callable[[Data, set[str]], Iterator[Peer]]] = {
    "pearson": _pearson,
    "cosine": _cosine,
    "spearman": _spearman,
    "auc": _auc,
    "inverse_auc": _inverse_auc,
    "mean_activation_difference": _mean_difference,
    "auprc": _average_precision,
    "inverse_auprc": _inverse_average_precision,
    "iou": _set_score("jaccard_score"),
    "f1": _set_score("f1_score"),
    "mutual_information": _mutual_information,
    "distance_correlation": _distance_correlation,
    "kendall": _kendall,
    "rank_reorder": _rank_reorder,
    "ridge": _ridge,
}
