"""What the speed benchmark times: shapes, layouts and data of each case."""

import functools
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.benchmark.speed.peers import Data, Peer, folds_of, peers
from actjax.benchmark.timing import Work
from actjax.precision import PRECISION
from actjax.similarity.api import make_metric, score
from actjax.similarity.kernel import pairwise
from actjax.types import Context, Metric

NEURONS_FIRST, OBSERVATIONS_FIRST, PUBLIC = "neurons first", "observations first", "actjax.score"
# Lines of seconds against pairs: the yardstick and the metrics.
PRODUCT = "plain matrix product"
SCALING_METRICS = ("pearson", "spearman", "auc")
# Neurons of 10^3, 10^4 ... pairs; more pairs are more rows.
_SCALING_NEURONS = {3: 50, 4: 200, 5: 1000, 6: 4000, 7: 20_000, 8: 100_000}
_MOST_NEURONS = 200_000


class Case(NamedTuple):
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


class ReadyCase(NamedTuple):
    """A case with its data: works of no arguments.

    Attributes:
      case: what it is.
      shape: neurons, rows and observations.
      product: the plain matrix product of the same shape.
      ours: the metric.
      peers: other ways to its scores.
    """

    case: Case
    shape: tuple[int, int, int]
    product: Work
    ours: Work
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


def select(names: Iterable[str] | None, full: bool) -> list[Case]:
    """The cases of the given metrics; by default those with peers, with `full` all on vectors.

    Raises:
      ValueError: no such metric.
    """
    with_peers = {case.metric for case in CASES}
    every = [make_metric(name) for name in lookup.names("metric") if name not in with_peers]
    others = [_small_case(metric) for metric in every if metric.observes == "vector"]
    if names is None:
        return [*CASES, *others] if full else list(CASES)
    for name in names:
        lookup.check("metric", name)
    return [case for case in [*CASES, *others] if case.metric in names]


def _small_case(metric: Metric) -> Case:
    """A metric that is timed with `full` only, with few neurons."""
    return Case(metric.name, divide=16, observations=1000 if metric.cost == "quadratic" else 5000)


def make_ready(case: Case, neurons: int, rows: int, observations: int, missing: set[str]) -> ReadyCase:
    """Data and works of a case."""
    n, o = max(2, neurons // case.divide), min(observations, case.observations or observations)
    data = _data(n, rows, o)
    ours, product = _works(case, data)
    # Peers of the other layouts are the same.
    others = peers(case.metric, data, missing) if case.layout == NEURONS_FIRST else []
    return ReadyCase(case, (n, rows, o), product, ours, others)


@functools.lru_cache(maxsize=1)
def _data(n: int, k: int, o: int) -> Data:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((count, o), dtype=np.float32) for count in (n, k))
    return Data(x, y, np.ascontiguousarray(x.T), np.ascontiguousarray(y.T))


def _works(case: Case, data: Data) -> tuple[Work, Work]:
    """(the metric, the plain product)."""
    metric = make_metric(case.metric)
    neurons_first = case.layout == NEURONS_FIRST
    x, y = (jnp.asarray(side) for side in (data[:2] if neurons_first else data[2:]))
    product = functools.partial(_product if neurons_first else _product_turned, x, y)
    if case.layout == PUBLIC:
        return lambda: score(data.x_on, data.y_ok, case.metric), product
    context = _context(metric, data.x_no.shape[1])
    return lambda: pairwise(metric, x, y, None, context, neurons_first=neurons_first), product


def _context(metric: Metric, o: int) -> Context:
    """Fifty clips in five folds, and two nuisances for a metric that cannot do without."""
    ids = np.arange(o, dtype=np.int32) * 50 // o
    rng = np.random.default_rng(1)
    nuisance = rng.standard_normal((o, 2), dtype=np.float32) if "nuisance_oq" in metric.needs else None
    return Context(ids, folds_of(o), nuisance, jax.random.key(0))


@jax.jit
def _product(x_no: jax.Array, y_ko: jax.Array) -> jax.Array:
    return jnp.matmul(x_no, y_ko.T, precision=PRECISION)


@jax.jit
def _product_turned(x_on: jax.Array, y_ok: jax.Array) -> jax.Array:
    return jnp.matmul(x_on.T, y_ok, precision=PRECISION)


def scaling_shape(exponent: int) -> tuple[int, int]:
    """(neurons, rows) of 10^exponent pairs."""
    n = _SCALING_NEURONS.get(exponent, _MOST_NEURONS)
    return n, 10**exponent // n


def scaling_shapes(max_pairs: int, o: int) -> Iterator[tuple[int, int]]:
    """(neurons, rows) of 10^3, 10^4 ... pairs, as far as both sides and the scores fit."""
    for exponent in range(3, 13):
        n, k = scaling_shape(exponent)
        if n * k > max_pairs or 4 * (3 * (n + k) * o + 3 * n * k) > _memory_bytes():
            return
        yield n, k


def scaling_work(line: str, x_no: jax.Array, y_ko: jax.Array) -> Work:
    """The plain product, or a metric, of both sides."""
    if line == PRODUCT:
        return functools.partial(_product, x_no, y_ko)
    return functools.partial(pairwise, make_metric(line), x_no, y_ko, neurons_first=True)


def scaling_works(n: int, k: int, o: int, missing: set[str]) -> dict[str, tuple[Work, float]]:
    """Line -> (work, how many times it stands for)."""
    x, y = (jax.random.normal(jax.random.key(i), (count, o)) for i, count in enumerate((n, k)))
    works = {line: (scaling_work(line, x, y), 1.0) for line in (PRODUCT, *SCALING_METRICS)}
    host = Data(np.asarray(x), np.asarray(y), *(np.empty((0, 0), np.float32),) * 2)
    for peer in peers("pearson", host, missing):
        if "PyTorch" not in peer.name:
            works[peer.name] = peer.works[0]
    return works


def _memory_bytes() -> int:
    """What the device, or the host for CPU devices, has free."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
