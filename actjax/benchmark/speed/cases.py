"""What the speed benchmark times: shapes, layouts and data of each case."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.benchmark.speed.peers import Data, Peer, peers
from actjax.precision import PRECISION
from actjax.similarity.api import make_metric, score
from actjax.similarity.kernel import pairwise
from actjax.types import Context

NEURONS_FIRST, OBSERVATIONS_FIRST, PUBLIC = "neurons first", "observations first", "actjax.score"


@dataclasses.dataclass(frozen=True)
class Case:
    """A metric on one layout.

    Attributes:
      metric: its name.
      layout: of the arrays; `actjax.score` takes NumPy arrays, observations first.
      divide: takes this share of the neurons, so that a run ends in time.
      observations: at most so many.
    """

    metric: str
    layout: str = NEURONS_FIRST
    divide: int = 1
    observations: int | None = None


class Made(NamedTuple):
    """A case ready to run: works of no arguments."""

    case: Case
    shape: tuple[int, int, int]
    product: Callable[[], Any]
    ours: Callable[[], Any]
    peers: list[Peer]


CASES = (
    *(Case(name, layout) for name in ("pearson", "cosine") for layout in (NEURONS_FIRST, OBSERVATIONS_FIRST)),
    Case("pearson", PUBLIC),
    *(Case(name, layout) for name in ("spearman", "auc") for layout in (NEURONS_FIRST, PUBLIC)),
    *(Case(name) for name in ("inverse_auc", "mean_activation_difference", "iou", "f1")),
    Case("mutual_information", divide=4),
    *(Case(name, divide=8) for name in ("auprc", "inverse_auprc", "rank_reorder")),
    Case("distance_correlation", divide=8, observations=2000),
)
# Share of the neurons, and observations, of metrics that are timed with `full` only.
_OTHERS = {"divide": 16, "observations": 5000}


def chosen(names: Iterable[str] | None, full: bool) -> list[Case]:
    """The cases of the given metrics; by default those with peers, with `full` all on vectors.

    Raises:
      ValueError: no such metric.
    """
    own = {case.metric for case in CASES}
    every = [name for name in lookup.names("metric") if make_metric(name).observes == "vector"]
    more = [Case(name, **_OTHERS | _few(name)) for name in every if name not in own]
    if names is None:
        return [*CASES, *more] if full else list(CASES)
    for name in names:
        lookup.check("metric", name)
    return [case for case in [*CASES, *more] if case.metric in names]


def _few(name: str) -> dict[str, int]:
    return {"observations": 1000} if make_metric(name).cost == "quadratic" else {}


def build(case: Case, neurons: int, rows: int, observations: int, missing: set[str]) -> Made:
    """Data and works of a case."""
    n, o = max(2, neurons // case.divide), min(observations, case.observations or observations)
    data = _data(n, rows, o)
    ours, product = _works(case, data)
    # Peers of the other layouts are the same.
    others = peers(case.metric, data, missing) if case.layout == NEURONS_FIRST else []
    return Made(case, (n, rows, o), product, ours, others)


@functools.lru_cache(maxsize=1)
def _data(n: int, k: int, o: int) -> Data:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((count, o), dtype=np.float32) for count in (n, k))
    return Data(x, y, np.ascontiguousarray(x.T), np.ascontiguousarray(y.T))


def _works(case: Case, data: Data) -> tuple[Callable[[], Any], Callable[[], Any]]:
    metric = make_metric(case.metric)
    first = case.layout == NEURONS_FIRST
    x, y = (jnp.asarray(side) for side in (data[:2] if first else data[2:]))
    o = data.x_no.shape[1]
    ids = np.arange(o, dtype=np.int32) * 50 // o
    rng = np.random.default_rng(1)
    nuisance = rng.standard_normal((o, 2), dtype=np.float32) if "nuisance_oq" in metric.needs else None
    context = Context(ids, ids % 5, nuisance, jax.random.key(0))
    product = functools.partial(_product if first else _product_turned, x, y)
    if case.layout == PUBLIC:
        return lambda: score(data.x_on, data.y_ok, case.metric), product
    return lambda: pairwise(metric, x, y, None, context, neurons_first=first), product


@jax.jit
def _product(x_no: jax.Array, y_ko: jax.Array) -> jax.Array:
    return jnp.matmul(x_no, y_ko.T, precision=PRECISION)


@jax.jit
def _product_turned(x_on: jax.Array, y_ok: jax.Array) -> jax.Array:
    return jnp.matmul(x_on.T, y_ok, precision=PRECISION)


def scaling_shapes(max_pairs: int, o: int) -> Iterator[tuple[int, int]]:
    """(neurons, rows) of 10^3, 10^4 ... pairs, as far as both sides and the scores fit."""
    for exponent in range(3, 13):
        n = {3: 50, 4: 200, 5: 1000, 6: 4000, 7: 20_000, 8: 100_000, 9: 200_000}.get(exponent, 200_000)
        k = 10**exponent // n
        if n * k > max_pairs or 4 * (3 * (n + k) * o + 3 * n * k) > _memory_bytes():
            return
        yield n, k


def scaling_works(n: int, k: int, o: int, missing: set[str]) -> dict[str, tuple[Callable[[], Any], float]]:
    """name -> (work, how many times it stands for)."""
    x, y = (jax.random.normal(jax.random.key(i), (count, o)) for i, count in enumerate((n, k)))
    works = {"plain matrix product": (functools.partial(_product, x, y), 1.0)}
    for name in ("pearson", "spearman", "auc"):
        ours = functools.partial(pairwise, make_metric(name), x, y, neurons_first=True)
        works[name] = (ours, 1.0)
    host = Data(np.asarray(x), np.asarray(y), *(np.empty((0, 0), np.float32),) * 2)
    for peer in peers("pearson", host, missing):
        if "PyTorch" not in peer.name:
            works[peer.name] = peer.parts[0]
    return works


def _memory_bytes() -> int:
    """What the device, or the host for CPU devices, has free."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
