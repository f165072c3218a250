"""What the trained network alone gets: its null under rearrangements, and the ridge ceiling of its layers."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from actjax.findings import clip_sums, effects, half_nulls, ridge
from actjax.findings import targets as findings_targets
from actjax.findings.targets import Part, Target

# Ridge on frames takes every channel and band up to this many, else channels averaged over bands.
WIDEST = 1024


def null(part: Part, target: Target, setting: Any, pairs: dict) -> np.ndarray:
    """[1 + r, halves and all, n, k] the trained network's scores under every rearrangement."""
    x, draws, weights = target.side.x["trained"], setting.draws, setting.every_half
    if not half_nulls.masks_agree(target.mask, draws):
        x, rows = target.neurons_of(part, x), target.rows_of(part)
        if target.image:
            return half_nulls.clip_scores(findings_targets.cka(), x, rows, target.mask, draws, weights)
        return half_nulls.moment_scores(x, rows, target.mask, draws, weights, centre=target.centre)
    layer = target.side.layer
    if target.image:
        if layer not in pairs:
            sides = (target.neurons(x), target.y, target.mask, draws)
            products = half_nulls.pair_cosines(findings_targets.cka(), *sides)
            pairs[layer] = half_nulls.from_scores(products, draws, weights)
        return pairs[layer]
    if layer not in pairs:
        # The rows stand among the neurons too: a part takes off what it holds fixed.
        both = np.concatenate([target.neurons(x), target.y], axis=2)
        sums = clip_sums.clip_sums(both, target.y, target.mask, centre=target.centre)
        pairs[layer] = (
            sums,
            half_nulls.pair_products(both, target.y, target.mask, draws, centre=target.centre),
        )
    sums, products = pairs[layer]
    n, rows = x.shape[2], list(part.rows)
    own = clip_sums.Table(sums.xy[:, :n], sums.xx[:, :n], sums.yy[:, :n])
    table, found = target.select(own, part), products[:, :, :n, rows]
    if part.given is not None:
        slope = target.slope(own, part.given).astype(np.float32)
        found = found - slope[None, None, :, None] * products[:, :, n + part.given, rows][:, :, None]
    return half_nulls.from_products(found, table.xx, table.yy[:, 0], draws, weights)


def ceiling(part: Part, targets: list[Target], setting: Any, pairs: dict) -> float | None:
    """The best layer's ridge prediction under the part's own score, on all clips."""
    if part.kind == "share":
        return 1.0
    found = [_ridge_score(part, t, setting, pairs) for t in targets]
    return float(max(found, key=abs))


def _ridge_score(part: Part, target: Target, setting: Any, pairs: dict) -> float:
    x, everyone = target.side.x["trained"], np.ones((1, setting.halves.shape[2]))
    if target.image:
        key = target.side.layer, "ridge"
        if key not in pairs:
            pairs[key] = target.table_of(_predicted_chroma(target, x, setting).transpose(0, 2, 1)[:, None])
        return float(effects.candidates(pairs[key], part.kind, everyone)[0, 0, 0])
    rows, mask = target.rows_of(part), jnp.asarray(target.mask)
    x, y = (clip_sums.centred(v, mask, centre=target.centre) for v in (target.neurons_of(part, x), rows))
    wanted = y[:, :, :1]
    if part.kind == "contrast":
        unit = y / jnp.sqrt((y**2).sum(axis=(0, 1)))[None, None, :]
        wanted = unit[:, :, :1] - unit[:, :, 1:2]
    z = ridge.out_of_fold(x, wanted, target.mask, setting.folds)
    table = clip_sums.clip_sums(z, rows, target.mask, centre=target.centre)
    return float(effects.candidates(table, part.kind, everyone)[0, 0, 0])


def _predicted_chroma(target: Target, x: np.ndarray, setting: Any) -> np.ndarray:
    """[b, t, 12] chroma of each frame predicted from all channels and bands of that frame."""
    maps = target.neurons(x)
    if maps.shape[1] * maps.shape[2] > WIDEST:
        maps = maps.mean(axis=2, keepdims=True)
    maps = maps.reshape(len(x), -1, maps.shape[3]).transpose(0, 2, 1)
    chroma, mask = target.y[:, 0].transpose(0, 2, 1), jnp.asarray(target.mask)
    maps, chroma = (clip_sums.centred(jnp.asarray(v), mask, centre="clip") for v in (maps, chroma))
    return ridge.out_of_fold(maps, chroma, target.mask, setting.folds)


def predicted(target: Target, part: Part, x: np.ndarray, setting: Any) -> clip_sums.Table:
    """The table [b, 1, k] of each row's prediction by cross-validated ridge, as if it were a unit."""
    rows = target.rows_of(part)
    z = ridge.out_of_fold(target.neurons_of(part, x), rows, target.mask, setting.folds)
    sums = clip_sums.clip_sums(z, rows, target.mask, centre=target.centre)
    k = np.arange(rows.shape[2])
    return clip_sums.Table(sums.xy[:, k, k][:, None], sums.xx[:, None, k], sums.yy[:, k, k][:, None])
