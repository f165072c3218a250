"""Observes every clip once for the findings, and holds both sides of every comparison in memory."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from actjax import parallel, runs
from actjax.activations import capture, comparisons
from actjax.activations.clips import make_observer, observe_clips
from actjax.data.loader import Source
from actjax.findings.claims.sides import SCALARS, Side, Sides
from actjax.scoring import foreseen
from actjax.scoring.networks import Network, open_network
from actjax.scoring.tasks import observations_of
from actjax.setup import Setup, band_centres_hz, make_features
from actjax.types import Batch, Feature, Frontend, Layer, LeftOut

INPUT = "input"
CELLS = ("harmonic", "percussive", "log_mel")
CHROMA = ("chroma_stft",)
FEATURES = "harmonic(scale='db'),percussive(scale='db'),log_mel,chroma_stft(n_fft=2048)," + ",".join(SCALARS)
# Layers up to this depth (0 input, 1 output) are shallow, map layers from DEEP on are deep.
SHALLOW, DEEP = 0.34, 0.5
# What shallow maps, deep maps and units are compared with: features, and (view, by cells).
ROLES = ((CELLS, ("map", True)), (CHROMA, ("map", False)), (SCALARS, ("clip", False)))


class Planned(NamedTuple):
    """What the findings compare.

    Attributes:
      frontend: makes what the networks take.
      analysis: makes the log-mel image, the input.
      features: by name.
      of_networks, of_input: the comparisons of the networks' layers, and of the input's.
      left_out: comparisons that cannot be made, and why.
    """

    frontend: Frontend
    analysis: Frontend
    features: Mapping[str, Feature]
    of_networks: tuple[comparisons.Problem, ...]
    of_input: tuple[comparisons.Problem, ...]
    left_out: list[LeftOut]


def plan(setup: Setup, network: Network) -> Planned:
    """Lays the findings' comparisons out, from shapes alone."""
    features = {f.name: f for f in make_features(FEATURES, setup.analysis) if isinstance(f, Feature)}
    left_out: list[LeftOut] = []

    def problems(frontend: Frontend, *roles: Sequence[Layer]) -> tuple[comparisons.Problem, ...]:
        centres_hz, planned = band_centres_hz(frontend), []
        setting = comparisons.Setting(frontend, centres_hz, setup.clip_samples, wants=frozenset())
        for layers, (names, want) in zip(roles, ROLES, strict=True):
            wanted = dataclasses.replace(setting, wants=frozenset({want}))
            fitting, out = comparisons.plan(layers, [features[name] for name in names], wanted)
            planned += fitting
            left_out.extend(out)
        return tuple(planned)

    layers = network.layers()
    maps = [layer for layer in layers if layer.is_map]
    units = [layer for layer in layers if not layer.is_map][-1:] or layers[-1:]
    bands, image = capture.input_layers(setup.analysis_shape_ft)
    shallow, deep = [m for m in maps if m.depth <= SHALLOW], [m for m in maps if m.depth >= DEEP]
    of_networks = problems(setup.frontend, shallow, deep, units)
    of_input = problems(setup.analysis, [image], [image], [bands])
    return Planned(setup.frontend, setup.analysis, features, of_networks, of_input, left_out)


def check_memory(planned: Planned, networks: int, clips: int, memory_bytes: int) -> None:
    """Refuses what would not fit, from shapes alone.

    Raises:
      StageLeftOut: what so many networks keep does not fit in score.memory_gib x 4.
    """
    cells = 0
    for count, problems in ((networks, planned.of_networks), (1, planned.of_input)):
        for p in problems:
            cells += observations_of(p)[0] * (p.neurons * count + len(p.features))
    needed, bound = 4 * cells * clips / 2**30, 4 * memory_bytes / 2**30
    if needed > bound:
        raise runs.StageLeftOut(
            f"the findings keep {needed:.2g} GiB of observations ({clips} clips), more than 4 x "
            f"score.memory_gib = {bound:g} GiB: raise it to {needed / 4:.2g}, lower findings.untrained, or "
            "choose fewer layers by score.layers"
        )


def collect(
    setup: Setup, planned: Planned, network: Network, source: Source, weights: Mapping[str, Any]
) -> Sides:
    """Observes every clip of the split.

    Args:
      setup: of the run.
      planned: from `plan`.
      network: whose layers are compared.
      source: the clips.
      weights: name -> variables of the network.

    Raises:
      ValueError: an activation is not finite; names network, layer, neuron and clip.
    """
    families = _families(planned, network, tuple(weights), capture.stack(list(weights.values())))
    features, program = list(planned.features.values()), foreseen.program_of(setup, len(source), weights)
    observer = make_observer(families, features, planned.frontend, program=program)
    clip_sides = _ClipSides(len(source))
    batches = runs.batches(source, setup.scored.batch_size)
    observe_clips(observer, batches, clip_sides.add, clip_ids=source.clip_ids, title="findings")
    sides = [
        _side(problem, family.networks, *arrays)
        for family, of_family in zip(families, clip_sides.gathered(), strict=True)
        for problem, arrays in zip(family.problems, of_family, strict=True)
    ]
    ends = len(planned.of_networks)
    return Sides(_by_role(sides[:ends]), _by_role(sides[ends:]), planned.left_out)


def foresee(run: runs.Run, source: Source, names: Sequence[str]) -> None:
    """Compiles the program that `collect` will run on these clips under networks of these names."""
    network = open_network(run, len(source.class_names))
    planned = plan(run.setup, network)
    families = _families(planned, network, tuple(names), None)
    program = capture.make_observe(families, list(planned.features.values()), planned.frontend)
    foreseen.compile_pass(run, source, network, families, program)


def _families(
    planned: Planned, network: Network, names: tuple[str, ...], variables: Any
) -> list[capture.Family]:
    """The networks, whose weights are stacked in `variables`, and the input."""
    outputs, nothing = capture.network_outputs(network.module), {"none": np.zeros((1, 1), np.float32)}
    return [
        capture.Family(names, outputs, variables, planned.of_networks),
        capture.Family((INPUT,), capture.input_outputs, nothing, planned.of_input, planned.analysis),
    ]


class _ClipSides:
    """The sides of this process's clips, written batch by batch into arrays made once."""

    def __init__(self, clips: int) -> None:
        self._index = np.zeros(clips, np.int64)
        self._filled = 0
        self._sides: list[list[list[np.ndarray]]] = []

    def add(self, batch: Batch, sides: list[list[capture.BothSides]]) -> None:
        """Appends both sides of the real clips of a batch."""
        mask = batch.mask
        observed = [[self._on_host(*problem) for problem in family] for family in sides]
        clips = len(self._index)
        if not self._sides:
            self._sides = [
                [[np.empty((len(x), clips, *x.shape[2:]), x.dtype), *(_rows(v, clips) for v in features)]
                 for x, *features in family]
                for family in observed
            ]  # fmt: skip
        to = slice(self._filled, self._filled + int(mask.sum()))
        real = slice(None, int(mask.sum())) if mask[: mask.sum()].all() else mask
        for family, new in zip(self._sides, observed, strict=True):
            for (x, *features), (new_x, *new_features) in zip(family, new, strict=True):
                x[:, to] = new_x[:, real]
                for whole, of_batch in zip(features, new_features, strict=True):
                    whole[to] = of_batch[real]
        self._index[to] = batch.index[mask]
        self._filled = to.stop

    def gathered(self) -> list[list[list[np.ndarray]]]:
        """[x, y, mask] of all processes' clips in the source's order, by family and problem."""
        n = self._filled
        order = np.argsort(_all(self._index[:n]), kind="stable")
        sorted_already = (order == np.arange(len(order))).all()
        for family in self._sides:
            for problem in family:
                for i, value in enumerate(problem):
                    axis = int(i == 0)
                    whole = _all(value[:, :n] if axis else value[:n], axis)
                    problem[i] = whole if sorted_already else np.take(whole, order, axis=axis)
        return self._sides

    @staticmethod
    def _on_host(x: jax.Array, y: jax.Array, valid: jax.Array) -> tuple[np.ndarray, ...]:
        shards = list(parallel.to_host(x))
        joined = shards[0] if len(shards) == 1 else np.concatenate(shards, axis=1)
        return joined, parallel.unshard(y), parallel.unshard(valid)


def _rows(value: np.ndarray, clips: int) -> np.ndarray:
    return np.empty((clips, *value.shape[1:]), value.dtype)


def _all(of_process: np.ndarray, axis: int = 0) -> np.ndarray:
    """The arrays of all processes, one after another."""
    arrays = parallel.gather_hosts(of_process)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def _side(
    problem: comparisons.Problem, networks: Sequence[str], x: np.ndarray, y: np.ndarray, mask: np.ndarray
) -> Side:
    """One problem's side of all networks, from x [networks, b, ...], y [b, ...] and mask [b, ...]."""
    if problem.view == "clip":
        mask = mask & np.isfinite(y).all(axis=2)
        y = np.where(mask[:, :, None], y, np.float32(0))
        return Side(problem, dict(zip(networks, x, strict=True)), y, mask, (1, 1))
    shape = x.shape[3:]
    flat = x.reshape(*x.shape[:3], -1).transpose(0, 1, 3, 2)
    if problem.cells:
        y = y.reshape(*y.shape[:2], -1).transpose(0, 2, 1)
        mask = np.broadcast_to(mask[:, None, :], (len(mask), *shape)).reshape(len(mask), -1)
    else:
        y = y[:, 0].transpose(0, 2, 1)
    return Side(problem, dict(zip(networks, flat, strict=True)), y, mask, shape)


def _by_role(sides: list[Side]) -> dict[str, list[Side]]:
    roles: dict[str, list[Side]] = {"cells": [], "chroma": [], "clip": []}
    for side in sides:
        role = "clip" if side.problem.view == "clip" else "cells" if side.problem.cells else "chroma"
        roles[role].append(side)
    return roles
