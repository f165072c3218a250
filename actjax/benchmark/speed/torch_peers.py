"""Formulas in PyTorch that other tools compute, as they do: a product, or a loop over neurons or concepts.

Those of CLIP-Dissect (Oikarinen and Weng, 2023) and of "Evaluating neuron explanations" (Oikarinen, Yan and
Weng, 2025) are written anew from their descriptions. Each function takes tensors, observations first, on
whatever device they are, and returns a work of no arguments.
"""

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

# A PyTorch tensor: the library is optional, so its types cannot be named here.
Tensor = Any


def load() -> ModuleType | None:
    """PyTorch with a thread for each core, or None where it is not installed."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(os.cpu_count() or 1)
    return torch


def device(torch: ModuleType) -> str:
    """Where the peers run: "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def tensor(torch: ModuleType, values: np.ndarray) -> Tensor:
    """A copy of the values on the device of the peers."""
    return torch.tensor(values, device=device(torch))


def correlation(x_on: Tensor, y_ok: Tensor) -> Callable[[], Tensor]:
    """z-scores and their product."""

    def work() -> Tensor:
        zx, zy = ((side - side.mean(0)) / side.std(0, unbiased=False) for side in (x_on, y_ok))
        return zx.T @ zy / len(x_on)

    return work


def cosine(x_on: Tensor, y_ok: Tensor) -> Callable[[], Tensor]:
    """Normalised columns and their product."""
    return lambda: (x_on / x_on.norm(dim=0)).T @ (y_ok / y_ok.norm(dim=0))


def cosine_cubed(x_on: Tensor, y_ok: Tensor) -> Callable[[], Tensor]:
    """Centred columns to the third power, normalised, and their product."""

    def work() -> Tensor:
        cubes = ((side - side.mean(0)) ** 3 for side in (x_on, y_ok))
        cx, cy = (cube / cube.norm(dim=0) for cube in cubes)
        return cx.T @ cy

    return work


def rank_correlation(torch: ModuleType, x_on: Tensor, y_ok: Tensor) -> Callable[[], Tensor]:
    """Places in ascending order, then z-scores and their product."""

    def work() -> Tensor:
        ranks = (torch.argsort(torch.argsort(side, dim=0), dim=0).float() for side in (x_on, y_ok))
        return correlation(*ranks)()

    return work


def set_overlap(name: str, x_on: Tensor, y_ok: Tensor, share: float) -> Callable[[], Tensor]:
    """IoU or F1 ("iou", "f1") of each column's largest values, from one product of the sets."""
    taken = max(1, round(share * len(x_on)))

    def work() -> Tensor:
        hot_x, hot_y = ((side >= _threshold(side, taken)).to(side.dtype) for side in (x_on, y_ok))
        both = hot_x.T @ hot_y
        every = hot_x.sum(0)[:, None] + hot_y.sum(0)[None, :]
        return 2 * both / every if name == "f1" else both / (every - both)

    return work


def _threshold(side: Tensor, taken: int) -> Tensor:
    """[1, columns] the least of so many largest values of each column."""
    return side.topk(taken, dim=0, sorted=False).values.amin(0, keepdim=True)


def auc(
    torch: ModuleType, ranked_oc: Tensor, hot_oc: Tensor, steps: int
) -> tuple[Callable[[], Tensor], Callable[[], None]]:
    """(ranks of some columns, `steps` of the loop over columns against the sets of all others)."""

    def rank() -> Tensor:
        noise = 1e-7 * torch.rand_like(ranked_oc)
        return torch.argsort(torch.argsort(ranked_oc + noise, dim=0), dim=0)

    ranks = rank()

    def loop() -> None:
        inside = hot_oc.sum(0)
        for i in range(steps):
            total = (ranks[:, i : i + 1] * hot_oc).sum(0)
            _ = (total - inside * (inside - 1) / 2) / (inside * (~hot_oc).sum(0)).clip(min=1)

    return rank, loop


def mean_difference(x_on: Tensor, hot_ok: Tensor, steps: int) -> Callable[[], None]:
    """`steps` of the loop over concepts: means of all neurons on and off the concept."""
    hot = hot_ok.int()

    def loop() -> None:
        for i in range(steps):
            on = hot[:, i : i + 1]
            off = 1 - on
            means = [(x_on * side).sum(0) / side.sum().clamp(min=1) for side in (on, off)]
            _ = means[0] - means[1]

    return loop


def wpmi(torch: ModuleType, x_on: Tensor, p_ok: Tensor, *, top: int = 28) -> Callable[[], Tensor]:
    """Mean log probability of all concepts on each neuron's strongest inputs, less that of the concept."""

    def work() -> Tensor:
        strongest = torch.topk(x_on, min(top, len(x_on)), dim=0).indices
        prior = 0.6 * p_ok.mean(0).log()
        return torch.stack([p_ok[strongest[:, i]].log().mean(0) - prior for i in range(x_on.shape[1])])

    return work


def soft_wpmi(torch: ModuleType, x_on: Tensor, p_ok: Tensor, *, top: int = 100) -> Callable[[], Tensor]:
    """The same with a membership that falls from 0.998 to 0.97 over the strongest inputs."""
    taken = min(top, len(x_on))

    def work() -> Tensor:
        strongest = torch.topk(x_on, taken, dim=0).indices
        place = torch.arange(taken, device=x_on.device)[:, None] / top
        member = 0.998 - place * (0.998 - 0.97)
        prior = p_ok.mean(0).log()
        likely = (
            (1 + member * (p_ok[strongest[:, i]] - 1)).log().mean(0) - prior for i in range(x_on.shape[1])
        )
        return torch.stack(list(likely))

    return work


def reorder(torch: ModuleType, x_on: Tensor, y_ok: Tensor, share: float) -> Callable[[], None]:
    """Each neuron's strongest inputs put into the order of every concept; five random orders for scale."""
    top = max(2, int(share * len(x_on)))

    def loop() -> None:
        largest, where = torch.topk(x_on, top, dim=0)
        for i in range(x_on.shape[1]):
            there = y_ok[where[:, i]]
            order = torch.argsort(torch.argsort(there, dim=0), dim=0)
            descending = largest[:, i : i + 1]
            ascending = descending.flip(0)
            shuffled = torch.cat([ascending[torch.randperm(top)] for _ in range(5)], 1)
            chance = ((ascending - shuffled).abs() ** 3).mean()
            moved = ascending.expand(-1, y_ok.shape[1]).gather(0, order)
            error = ((descending - moved).abs() ** 3).mean(0)
            _ = error / chance / there.sigmoid().mean(0) ** 0.5

    return loop


def himalaya() -> tuple[ModuleType, ModuleType] | None:
    """(its backends, its ridge regressions), or None where it is not installed."""
    try:
        return importlib.import_module("himalaya.backend"), importlib.import_module("himalaya.ridge")
    except ImportError:
        return None


def nested_ridge(
    torch: ModuleType, library: tuple[ModuleType, ModuleType], x_on: Tensor, y_ok: Tensor, folds_o: np.ndarray
) -> Callable[[], list[Tensor]]:
    """himalaya's regression of all neurons on the rows; penalties are chosen by inner folds."""
    backends, models = library
    backends.set_backend("torch_cuda" if device(torch) == "cuda" else "torch")
    trained_on = [torch.tensor(folds_o != fold, device=x_on.device) for fold in np.unique(folds_o)]
    penalties = len(x_on) * np.logspace(-4, 2, 7)

    def work() -> list[Tensor]:
        scores = []
        for inside in trained_on:
            model = models.RidgeCV(alphas=penalties, cv=len(trained_on) - 1)
            model.fit(y_ok[inside], x_on[inside])
            scores.append(model.score(y_ok[~inside], x_on[~inside]))
        return scores

    return work
