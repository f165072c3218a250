"""Formulas in PyTorch that other tools compute, as they do: a product, or a loop over neurons or concepts.

Those of CLIP-Dissect (Oikarinen and Weng, 2023) and of "Evaluating neuron explanations" (Oikarinen, Yan and
Weng, 2025) are written anew from their descriptions. Each function returns a work of no arguments.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def correlation(torch: Any, x_on: np.ndarray, y_ok: np.ndarray) -> Callable[[], Any]:
    """z-scores and their product."""
    x, y = torch.from_numpy(x_on), torch.from_numpy(y_ok)

    def work():
        zx, zy = ((side - side.mean(0)) / side.std(0, unbiased=False) for side in (x, y))
        return (zx.T @ zy / len(x)).numpy()

    return work


def cosine(torch: Any, x_on: np.ndarray, y_ok: np.ndarray) -> Callable[[], Any]:
    """Normalised columns and their product."""
    x, y = torch.from_numpy(x_on), torch.from_numpy(y_ok)
    return lambda: ((x / x.norm(dim=0)).T @ (y / y.norm(dim=0))).numpy()


def auc(
    torch: Any, ranked_oc: np.ndarray, hot: np.ndarray, steps: int
) -> tuple[Callable[[], Any], Callable[[], None]]:
    """(ranks of some columns, `steps` of the loop over columns against the sets of all others)."""
    hot, values = torch.from_numpy(hot), torch.from_numpy(ranked_oc.copy())

    def rank():
        noise = 1e-7 * torch.rand(values.shape)
        return torch.argsort(torch.argsort(values + noise, dim=0), dim=0)

    ranks = rank()

    def loop():
        inside = hot.sum(0)
        for i in range(steps):
            total = (ranks[:, i : i + 1] * hot).sum(0)
            (total - inside * (inside - 1) / 2) / (inside * (~hot).sum(0)).clip(min=1)

    return lambda: rank().numpy(), loop


def mean_difference(torch: Any, x_on: np.ndarray, hot_ok: np.ndarray, steps: int) -> Callable[[], None]:
    """`steps` of the loop over concepts: means of all neurons on and off the concept."""
    x, hot = torch.from_numpy(x_on), torch.from_numpy(hot_ok).int()

    def loop():
        for i in range(steps):
            on = hot[:, i : i + 1]
            (x * on).sum(0) / on.sum().clamp(min=1) - (x * (1 - on)).sum(0) / (1 - on).sum().clamp(min=1)

    return loop


def reorder(torch: Any, x_on: np.ndarray, y_ok: np.ndarray, share: float) -> Callable[[], None]:
    """Each neuron's strongest inputs put into the order of every concept; five random orders for scale."""
    x, y = torch.from_numpy(x_on.copy()), torch.from_numpy(y_ok)
    top = max(2, int(share * len(x)))

    def loop():
        largest, where = torch.topk(x, top, dim=0)
        for i in range(x.shape[1]):
            there = y[where[:, i]]
            order = torch.argsort(torch.argsort(there, dim=0), dim=0)
            own = largest[:, i : i + 1]
            ascending = own.flip(0)
            shuffled = torch.cat([ascending[torch.randperm(top)] for _ in range(5)], 1)
            chance = ((ascending - shuffled).abs() ** 3).mean()
            moved = ascending.expand(-1, y.shape[1]).gather(0, order)
            ((own - moved).abs() ** 3).mean(0) / chance / there.sigmoid().mean(0) ** 0.5

    return loop
