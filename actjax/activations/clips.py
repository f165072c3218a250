"""Passes over clips: observes each batch under all networks and hands both sides of every comparison on."""

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from actjax import costs, parallel
from actjax.activations.capture import BothSides, Family, Supplied, make_observe
from actjax.extraction import tabulated
from actjax.extraction.compute import compute_host
from actjax.types import Batch, Feature, Frontend

# index [b] into the split -> layer name -> its outputs [b, ...] on these clips.
ReadLayers = Callable[[np.ndarray], Mapping[str, np.ndarray]]


class Observer(NamedTuple):
    """What a pass over clips needs.

    Attributes:
      families: the networks, and the comparisons of their layers.
      program: from `capture.make_observe`.
      variables: the families' variables on the devices.
      supply: batch -> what no program computes.
    """

    families: tuple[Family, ...]
    program: jax.stages.Wrapped
    variables: tuple[Any, ...]
    supply: Callable[[Batch], Supplied]


def make_observer(
    families: Sequence[Family],
    features: Sequence[Feature],
    front: Frontend,
    read_layers: ReadLayers | None = None,
    program: jax.stages.Wrapped | None = None,
) -> Observer:
    """Prepares passes over clips; their program is compiled by the first batch and shared by all of them.

    Args:
      families: the networks, and the comparisons of their layers.
      features: what the comparisons are made with.
      front: makes the networks' image.
      read_layers: reads the outputs of families without `apply`.
      program: one of such families that was made before.
    """
    return Observer(
        tuple(families),
        program or make_observe(families, features, front),
        tuple(parallel.replicate(family.variables) for family in families),
        _supplier(features, read_layers),
    )


def observe_clips(
    observer: Observer,
    batches: Iterable[Batch],
    on_batch: Callable[[Batch, list[list[BothSides]]], None],
    *,
    clip_ids: Sequence[str],
    title: str | None = None,
    pairs: int = 0,
    after_batch: Callable[[], None] = lambda: None,
    done: int = 0,
) -> None:
    """Observes every batch once and calls `on_batch` with it and both sides of every comparison.

    The next batch is on its way to the devices before `on_batch` looks at one, and the activations are looked
    at only after it.

    Args:
      observer: from `make_observer`.
      batches: from the loader; `batch.index` points into `clip_ids`.
      on_batch: takes a batch and, by family and comparison, its two sides.
      clip_ids: names of all clips, for messages and the bar.
      title: of the progress bar; None shows none.
      pairs: how many scores a clip adds to, shown as a rate.
      after_batch: is called once a batch is added and found finite.
      done: how many clips an earlier call of the program observed; `batches` are the others.

    Raises:
      ValueError: an activation is not finite; names network, layer, neuron and clip.
    """
    from tqdm import tqdm

    shown = {"desc": title, "disable": title is None, "unit": "clip", "mininterval": 1.0}
    with tqdm(total=len(clip_ids), initial=done, **shown) as bar:
        for batch, sides, finite in _observed_ahead(observer, batches):
            with costs.section("comparisons"):
                on_batch(batch, sides)
            with costs.section("features and forward"):  # what of them the comparisons did not hide
                _check_finite(finite, observer.families, batch, clip_ids)
            after_batch()
            bar.update(int(parallel.process_count() * batch.mask.sum()))
            if pairs and not bar.disable:
                rate = pairs * (bar.n - done) / max(bar.format_dict["elapsed"], 1e-9)
                bar.set_postfix_str(f"{rate:,.0f} pair observations/s", refresh=False)


def _observed_ahead(
    observer: Observer, batches: Iterable[Batch]
) -> Iterator[tuple[Batch, list[list[BothSides]], list[Mapping[str, jax.Array]]]]:
    """Yields every batch with its sides and what of it is finite, once the next one is under way."""
    waiting = None
    for batch, supplied in _supplied_ahead(batches, observer.supply):
        sharded = parallel.shard((batch.audio, batch.length, supplied))
        following = batch, *observer.program(observer.variables, *sharded)
        if waiting is not None:
            yield waiting
        waiting = following
    if waiting is not None:
        yield waiting


def _supplier(features: Sequence[Feature], read_layers: ReadLayers | None) -> Callable[[Batch], Supplied]:
    """Makes what reads all that a batch needs beside its audio, with zeros where the mask is False."""
    looked_up = [f for f in features if isinstance(f, tabulated.GivenFeature)]
    hosted = [f for f in features if f.host]

    def supply(batch: Batch) -> Supplied:
        mask = batch.mask
        # A process whose share of the last batch holds no clip reads one for the shapes of what is supplied.
        read = mask if mask.any() else np.arange(len(mask)) == 0
        index = batch.index[read]
        values = {f.name: tabulated.values_and_validity(f, index) for f in looked_up}
        values |= {f.name: compute_host(f, batch.audio[read], batch.length[read]) for f in hosted}
        layers = {} if read_layers is None else dict(read_layers(index))
        return jax.tree.map(lambda array: _padded(array, mask), Supplied(layers, values))

    return supply


def supplied_once(supply: Callable[[Batch], Supplied]) -> Callable[[Batch], Supplied]:
    """`supply` that has at hand what it gave last: features of the host take long to be computed again."""
    last: list[tuple[Batch, Supplied]] = []

    def supply_once(batch: Batch) -> Supplied:
        if not last or last[0][0] is not batch:
            last[:] = [(batch, supply(batch))]
        return last[0][1]

    return supply_once


def _padded(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[real, ...] -> [b, ...], zeros where the mask is False."""
    if mask.all():
        return values
    out = np.zeros((len(mask), *values.shape[1:]), values.dtype)
    if mask.any():
        out[mask] = values
    return out


def _supplied_ahead(
    batches: Iterable[Batch], supply: Callable[[Batch], Supplied]
) -> Iterator[tuple[Batch, Supplied]]:
    """Yields every batch with what is supplied; reads the next one while the caller works."""
    with concurrent.futures.ThreadPoolExecutor(1) as ahead:
        waiting = None
        for batch in batches:
            following = batch, ahead.submit(supply, batch)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _check_finite(
    finite: Sequence[Mapping[str, jax.Array]],
    families: Sequence[Family],
    batch: Batch,
    clip_ids: Sequence[str],
) -> None:
    """Raises ValueError for the first neuron with a value that is not finite on a clip of the batch."""
    for family, layers in zip(families, finite, strict=True):
        for layer, finite_dwbn in layers.items():
            finite_wbn = np.concatenate(list(parallel.to_host(finite_dwbn)), axis=1)
            bad = np.argwhere(~finite_wbn & batch.mask[None, :, None])
            if len(bad):
                network, row, neuron = bad[0]
                where = f"network {family.networks[network]}, layer {layer}, neuron {neuron}"
                raise ValueError(
                    f"expected finite activations, got NaN or infinity in {where}, clip "
                    f"{clip_ids[batch.index[row]]}: look at it, or train with a smaller learning rate"
                )
