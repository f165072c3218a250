"""The sections of the table that score arrays of the device: one metric a row."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.benchmark.accelerator import gpu_peers as peers
from actjax.benchmark.accelerator import references
from actjax.benchmark.accelerator.rows import Build, Job, Section
from actjax.benchmark.accelerator.sides import Shape, concepts, job, largest_error, normal
from actjax.benchmark.speed import torch_peers
from actjax.benchmark.timing import Work
from actjax.similarity.api import make_metric, score
from actjax.similarity.kernel import pairwise
from actjax.types import Context

USUAL, TINY = Shape(4096, 256, 20_000), Shape(24, 6, 300)
# Of the regression, as the metric has them.
FOLDS = 5
LARGE = Shape(100_000, 1000, 50_000)
DISSECT, TINY_DISSECT = Shape(1000, 20_000, 50_000), Shape(12, 40, 400)


def pearson_rows(tiny: bool) -> Mapping[str, Build]:
    """Pearson's r in every layout, and of more than fits any cache."""
    shape = TINY if tiny else USUAL
    return {
        "pearson, neurons first": lambda: job(
            "pearson",
            shape,
            references.pearson,
            sample=(32, 64),
            peers=[peers.correlation(shape), peers.product(shape)],
        ),
        "pearson, observations first": lambda: _observations_first(shape),
        "actjax.score of JAX arrays": lambda: _public(shape, on_host=False),
        "actjax.score of NumPy arrays": lambda: _public(shape, on_host=True),
    }


def large_rows(tiny: bool) -> Mapping[str, Build]:
    """Pearson's r of neurons that take a quarter of the device's memory."""
    shape = TINY if tiny else LARGE
    return {"pearson": lambda: job("pearson", shape, references.pearson, sample=(32, 64))}


def ridge_rows(tiny: bool) -> Mapping[str, Build]:
    """How well twelve rows together predict each neuron, with folds and penalties."""
    shape = TINY if tiny else Shape(4096, 12, 20_000)
    return {"ridge": lambda: _ridge(shape)}


def rank_rows(tiny: bool) -> Mapping[str, Build]:
    """What needs the order of one side or of both."""
    shape = TINY if tiny else USUAL
    n, k, o = shape
    return {
        "spearman": lambda: job(
            "spearman",
            shape,
            references.spearman,
            sorted_keys=(n + k) * o,
            peers=[peers.rank_correlation(shape)],
        ),
        # A set needs no order of its side, only the value at which it begins.
        "auc": lambda: job("auc", shape, references.auc, sorted_keys=k * o, peers=[peers.auc(shape)]),
        "inverse_auc": lambda: job(
            "inverse_auc",
            shape,
            references.inverse_auc,
            sorted_keys=n * o,
            peers=[peers.auc(shape, turned=True)],
        ),
    }


def table_rows(tiny: bool) -> Mapping[str, Build]:
    """Metrics of the 2 x 2 table of two sets; those that are not here differ in a few operations a pair."""
    shape = TINY if tiny else USUAL
    overlap = {name: [peers.set_overlap(name, shape)] for name in ("iou", "f1")}
    return {
        name: functools.partial(
            job, name, shape, getattr(references, name), half_products=1, peers=overlap.get(name, ())
        )
        for name in ("iou", "f1", "recall", "balanced_accuracy")
    }


def information_rows(tiny: bool) -> Mapping[str, Build]:
    """Mutual information, average precision and two of CLIP-Dissect's metrics, of quantiles."""
    shape, few = (TINY, TINY) if tiny else (USUAL, USUAL._replace(neurons=512))
    edges = references.BINS - 1
    return {
        "mutual_information": lambda: job(
            "mutual_information",
            few,
            references.mutual_information,
            operations=edges**2 * few.operations,
            half_products=1,
        ),
        "auprc": lambda: job("auprc", few, references.auprc, sorted_keys=few.rows * few.observations),
        "soft_wpmi": lambda: job(
            "soft_wpmi",
            shape,
            _of_quantiles(references.soft_wpmi),
            peers=[peers.dissect(torch_peers.soft_wpmi, shape)],
        ),
        "rank_reorder": lambda: job(
            "rank_reorder",
            few,
            _of_quantiles(references.rank_reorder),
            sorted_keys=(few.neurons + few.rows) * few.observations,
            peers=[peers.reorder(few)],
        ),
    }


def pair_rows(tiny: bool) -> Mapping[str, Build]:
    """Metrics of all pairs of observations: a product of as many operations as there are, halved."""
    shape = Shape(8, 4, 40) if tiny else Shape(512, 256, 2000)
    operations = shape.operations * shape.observations
    return {
        name: functools.partial(
            job, name, shape, getattr(references, name), sample=(4, 4), operations=operations
        )
        for name in ("distance_correlation", "kendall")
    }


def dissect_rows(tiny: bool) -> Mapping[str, Build]:
    """CLIP-Dissect's job: few neurons, 20,000 concepts, and probabilities where its metrics take them."""
    shape = TINY_DISSECT if tiny else DISSECT
    on_probabilities = functools.partial(job, shape=shape, make=concepts)
    return {
        "cosine": lambda: job("cosine", shape, references.cosine, peers=[peers.cosine(shape)]),
        "cosine_cubed": lambda: job(
            "cosine_cubed", shape, references.cosine_cubed, peers=[peers.cosine(shape, cubed=True)]
        ),
        "wpmi": lambda: on_probabilities(
            'wpmi(probability="given")',
            reference=references.wpmi,
            peers=[peers.dissect(torch_peers.wpmi, shape)],
        ),
        "soft_wpmi": lambda: on_probabilities(
            'soft_wpmi(probability="given")',
            reference=references.soft_wpmi,
            peers=[peers.dissect(torch_peers.soft_wpmi, shape)],
        ),
        "rank_reorder": lambda: on_probabilities(
            'rank_reorder(probability="given")',
            reference=references.rank_reorder,
            # Each side's order is needed once, not that of every pair.
            sorted_keys=(shape.neurons + shape.rows) * shape.observations,
            peers=[peers.reorder(shape)],
        ),
        "wpmi of quantiles": lambda: job("wpmi", shape, _of_quantiles(references.wpmi)),
        "soft_wpmi of quantiles": lambda: job("soft_wpmi", shape, _of_quantiles(references.soft_wpmi)),
    }


def _observations_first(shape: Shape) -> Job:
    sides = normal(shape)
    x_on, y_ok = (jnp.array(side.T) for side in sides)
    metric = make_metric("pearson")
    return _variant(shape, lambda: pairwise(metric, x_on, y_ok)["score"])


def _public(shape: Shape, on_host: bool) -> Job:
    """`actjax.score`, whose scores are where the sides are."""
    sides = normal(shape)
    x_on, y_ok = (np.ascontiguousarray(np.asarray(s).T) if on_host else jnp.array(s.T) for s in sides)
    both_bytes, scores_bytes = float(x_on.nbytes + y_ok.nbytes), 4.0 * shape.neurons * shape.rows
    bus_bytes = (both_bytes, scores_bytes) if on_host else (0.0, 0.0)
    return _variant(shape, lambda: score(x_on, y_ok), bus_bytes=bus_bytes)


def _ridge(shape: Shape) -> Job:
    sides = normal(shape)
    metric = make_metric("ridge")
    folds_o = np.arange(shape.observations) * FOLDS // shape.observations
    context = Context(folds_o=jnp.asarray(folds_o, jnp.int32))

    def work() -> jax.Array:
        return pairwise(metric, *sides, None, context, neurons_first=True)["score"]

    return Job(work, str(shape), memory_bytes=shape.least_bytes, peers=[peers.ridge(shape, folds_o)])


def _variant(shape: Shape, work: Work, **limits: Any) -> Job:
    error = functools.partial(largest_error, references.pearson, normal(shape), (32, 64))
    usual: dict[str, Any] = {"memory_bytes": shape.least_bytes, "operations": shape.operations}
    return Job(work, str(shape), pairs=shape.neurons * shape.rows, error=error, **(usual | limits))


def _of_quantiles(reference: references.Reference) -> references.Reference:
    return lambda x_no, y_ko: reference(x_no, references.quantile_probabilities(y_ko))


SECTIONS = (
    Section("pearson", "Pearson's r", pearson_rows),
    Section("large", "Pearson's r, large", large_rows, alone=True),
    Section("ranks", "Ranks", rank_rows),
    Section("tables", "2 x 2 tables", table_rows),
    Section("information", "Information and concepts", information_rows),
    Section("pairs", "Pairs of observations", pair_rows),
    Section("dissect", "CLIP-Dissect's job", dissect_rows),
    Section("ridge", "Regression", ridge_rows),
)
