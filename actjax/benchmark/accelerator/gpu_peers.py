"""The peers of the metrics, in PyTorch on the device, with normal values made there."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from actjax.benchmark.accelerator.references import ALPHA, TOP_SHARE
from actjax.benchmark.accelerator.rows import Peer
from actjax.benchmark.accelerator.sides import Shape
from actjax.benchmark.speed import torch_peers
from actjax.benchmark.timing import Work

# What stands for a whole loop over neurons or concepts: columns that are ranked, and steps.
COLUMNS, STEPS = 64, 8
Works = Sequence[tuple[Work, float]]
EVALUATION, DISSECT = "Neuron_Eval's formula, PyTorch", "CLIP-Dissect's formula, PyTorch"


def product(shape: Shape) -> Peer:
    """The plain product in float32."""

    def works(torch: ModuleType) -> Works:
        x_on, y_ok = _normal(torch, shape)
        return [(lambda: x_on.T @ y_ok, 1.0)]

    return _peer("plain float32 product, PyTorch", works)


def correlation(shape: Shape) -> Peer:
    """Pearson's r."""
    return _peer(EVALUATION, lambda torch: [(torch_peers.correlation(*_normal(torch, shape)), 1.0)])


def rank_correlation(shape: Shape) -> Peer:
    """Spearman's rho."""

    def works(torch: ModuleType) -> Works:
        return [(torch_peers.rank_correlation(torch, *_normal(torch, shape)), 1.0)]

    return _peer(EVALUATION, works)


def auc(shape: Shape, turned: bool = False) -> Peer:
    """The loop over the ranked side's columns; `turned` ranks the neurons."""

    def works(torch: ModuleType) -> Works:
        x_on, y_ok = _normal(torch, shape)
        ranked, other = (x_on, y_ok) if turned else (y_ok, x_on)
        columns = ranked.shape[1]
        taken = min(COLUMNS, columns)
        hot = other >= other.topk(max(1, round(ALPHA * len(other))), dim=0).values[-1:]
        steps = min(STEPS, taken)
        rank, loop = torch_peers.auc(torch, ranked[:, :taken].contiguous(), hot, steps)
        return [(rank, columns / taken), (loop, columns / steps)]

    return _peer(EVALUATION, works)


def set_overlap(name: str, shape: Shape) -> Peer:
    """IoU or F1."""

    def works(torch: ModuleType) -> Works:
        return [(torch_peers.set_overlap(name, *_normal(torch, shape), ALPHA), 1.0)]

    return _peer(EVALUATION, works)


def cosine(shape: Shape, cubed: bool = False) -> Peer:
    """The cosine, or that of the centred cubes."""
    formula = torch_peers.cosine_cubed if cubed else torch_peers.cosine
    return _peer(DISSECT, lambda torch: [(formula(*_normal(torch, shape)), 1.0)])


def dissect(formula: Callable[..., Work], shape: Shape, **options: Any) -> Peer:
    """A loop over neurons against the probabilities of all concepts; some neurons stand for all."""

    def works(torch: ModuleType) -> Works:
        x_on, y_ok = _normal(torch, shape)
        steps = min(STEPS, shape.neurons)
        p_ok = torch.softmax(3.0 * y_ok, dim=1)
        some = x_on[:, :steps].contiguous()
        return [(formula(torch, some, p_ok, **options), shape.neurons / steps)]

    return _peer(DISSECT, works)


def reorder(shape: Shape) -> Peer:
    """Rank reorder."""
    return dissect(torch_peers.reorder, shape, share=TOP_SHARE)


def ridge(shape: Shape, folds_o: np.ndarray) -> Peer:
    """Regression of all neurons on the rows, in folds."""
    library = torch_peers.himalaya()
    if library is None:
        return Peer("himalaya", None)

    def works(torch: ModuleType) -> Works:
        return [(torch_peers.nested_ridge(torch, library, *_normal(torch, shape), folds_o), 1.0)]

    return _peer("himalaya RidgeCV, nested", works)


def _peer(name: str, works: Callable[[ModuleType], Works]) -> Peer:
    torch = torch_peers.load()
    if torch is None:
        return Peer(name, None)
    return Peer(f"{name}, {torch_peers.device(torch).upper()}", lambda: works(torch))


def _normal(torch: ModuleType, shape: Shape) -> tuple[torch_peers.Tensor, torch_peers.Tensor]:
    n, k, o = shape
    at = torch_peers.device(torch)
    return torch.randn(o, n, device=at), torch.randn(o, k, device=at)
