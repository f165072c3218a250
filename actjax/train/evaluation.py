"""Evaluates a network on clips: loss, accuracy, confusion, probabilities, batch statistics."""

import collections
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from actjax import parallel
from actjax.nn.frontend import images
from actjax.train import prediction, step, supply
from actjax.train.state import apply_model
from actjax.train.supply import Supply
from actjax.types import Batch, Frontend
from actjax.workdir.evaluation_record import ExcerptF1

Batches = Iterable[Batch]
# Batches whose results are not fetched yet: devices do not wait for the host, and memory stays bounded.
IN_FLIGHT = 2


class EvalResult(NamedTuple):
    """Means over clips, each clip counted once.

    Attributes:
      loss: mean cross entropy in nats.
      accuracy: share of clips right (with several labels: of clip-class pairs).
      confusion: [c, c] int64, rows the true class, columns the one named.
      count: clips.
    """

    loss: float
    accuracy: float
    confusion: np.ndarray
    count: int


def evaluate(
    model: nn.Module,
    frontend: Frontend,
    variables: dict[str, Any],
    batches: Batches | Supply,
    num_classes: int | None = None,
    *,
    multilabel: bool = False,
) -> EvalResult:
    """Runs all batches of every process through the network, sums, then divides.

    Raises:
      ValueError: there is no clip, or the network has not `num_classes` outputs.
    """
    source = supply.supply(batches)
    run = _pmapped(step.eval_step, model, frontend, multilabel, source.gather)
    replicated, total = parallel.replicate(variables), collections.defaultdict(lambda: np.zeros(()))
    sums = (run(replicated, source.on_device, sent) for sent in supply.to_devices(source))
    for one in supply.lagging(sums, IN_FLIGHT):
        for name, value in parallel.unreplicate(one).items():
            total[name] = total[name] + value.astype(np.float64)
    count = int(total["count"])
    if count == 0:
        raise ValueError("expected at least one clip to evaluate, got none; check the split")
    if num_classes not in (None, len(total["confusion"])):
        raise ValueError(f"expected {num_classes} network outputs, got {len(total['confusion'])}")
    return EvalResult(
        float(total["loss"] / count),
        float(total["correct"] / count),
        np.rint(total["confusion"]).astype(np.int64),
        count,
    )


def predict(
    model: nn.Module,
    frontend: Frontend,
    variables: dict[str, Any],
    batches: Batches,
    *,
    multilabel: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [clips, classes] and clip indices [clips] of this process, padding left out."""
    run = _pmapped(step.predict_step, model, frontend, multilabel)
    replicated, probabilities, indices = parallel.replicate(variables), [], []
    outputs = ((batch, run(replicated, (), parallel.shard(batch))) for batch in batches)
    for batch, output in supply.lagging(outputs, IN_FLIGHT):
        probabilities.append(parallel.unshard(output)[batch.mask])
        indices.append(batch.index[batch.mask])
    if not indices:
        raise ValueError("expected at least one clip to predict, got none; check the split")
    return np.concatenate(probabilities), np.concatenate(indices)


def f1_of_excerpts(
    model: nn.Module,
    frontend: Frontend,
    variables: dict[str, Any],
    batches: Batches,
    clip_ids: Sequence[str],
    labels_bc: np.ndarray,
) -> list[ExcerptF1]:
    """F1 over the excerpts of a split whose clips have several labels; see `prediction.excerpt_f1`.

    Args:
      model, frontend, variables, batches: as `predict` takes them; this process's share of the clips.
      clip_ids, labels_bc: of all clips.
    """
    of_process = predict(model, frontend, variables, batches, multilabel=True)
    of_all = list(zip(*parallel.gather_hosts(of_process), strict=True))
    probabilities, index = np.concatenate(of_all[0]), np.concatenate(of_all[1])
    return prediction.excerpt_f1(probabilities, [clip_ids[int(i)] for i in index], labels_bc[index])


def recompute_batch_stats(
    model: nn.Module, frontend: Frontend, variables: dict[str, Any], batches: Batches
) -> dict[str, Any]:
    """Variables whose batch statistics are the averages of every batch's own moments.

    Each batch is run in training mode, without dropout where the model has a rate of that name; a
    layer's mean and variance are averaged over batches by their number of clips, exactly, not by a
    running average. An untrained network so gets the statistics that fit its weights.

    Batches must be global: with a model synchronised over parallel.AXIS they are.
    """
    if "batch_stats" not in variables:
        return dict(variables)
    if hasattr(model, "dropout"):
        model = model.clone(dropout=0.0)
    run = _pmapped(_batch_moments, model, frontend, False)
    replicated, count = parallel.replicate(variables), 0.0
    total = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), np.float64), variables["batch_stats"])
    outputs = (run(replicated, (), parallel.shard(batch)) for batch in batches)
    for output in supply.lagging(outputs, IN_FLIGHT):
        moments, clips = parallel.unreplicate(output)
        total = jax.tree.map(
            lambda sum_, moment, n=float(clips): sum_ + moment.astype(np.float64) * n, total, moments
        )
        count += float(clips)
    if count == 0:
        raise ValueError("expected at least one clip for batch statistics, got none; check the split")
    stats = jax.tree.map(lambda sum_: (sum_ / count).astype(np.float32), total)
    return {**variables, "batch_stats": stats}


def _batch_moments(
    variables: dict[str, Any], batch: Batch, *, model: nn.Module, frontend: Frontend, multilabel: bool
) -> tuple[Any, jax.Array]:
    """This batch's moments of every batch-norm layer, whatever its momentum, and its clips.

    A running average is a straight line in its old value: from 0 it goes to (1 - m) new and from 1
    to m + (1 - m) new, so two passes give m and with it the new moment. XLA shares their work.
    """

    def update(old: float) -> Any:
        stats = jax.tree.map(lambda leaf: leaf * 0 + old, variables["batch_stats"])
        _, changed = apply_model(
            model,
            {**variables, "batch_stats": stats},
            images(batch.audio, frontend, batch.length),
            batch.mask,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )
        return changed["batch_stats"]

    moments = jax.tree.map(lambda zero, one: zero / (1 - (one - zero)), update(0.0), update(1.0))
    return parallel.pmean(moments), parallel.psum(batch.mask.astype(np.float32).sum())


@functools.lru_cache(maxsize=16)
def _pmapped(
    fn: Callable[..., Any],
    model: nn.Module,
    frontend: Frontend,
    multilabel: bool,
    gather: Callable[[Any, Any], Batch] = supply.whole,
) -> Callable[..., Any]:
    """`fn` of variables and a supply's batches, compiled and kept from call to call."""

    @functools.wraps(fn)
    def of_batch(variables: dict[str, Any], on_device: Any, sent: Any) -> Any:
        batch = gather(on_device, sent)
        return fn(variables, batch, model=model, frontend=frontend, multilabel=multilabel)

    return parallel.pmap(of_batch)
