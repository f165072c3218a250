"""The units of networks in the causal check: what they score, and what they then do."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from actjax.benchmark.metrics import causal
from actjax.benchmark.metrics.rendered import Clips


class JudgedUnits:
    """The networks of the causal check on the clips that are scored and on those of the interventions.

    Attributes:
      scored_bn: [b, n] all networks' units on the clips that are scored.
      targets_bk: [b, target] the target features of these.
    """

    def __init__(self, networks: Mapping[str, causal.Units] | None, clips: Clips, seed: int, dose_clips: int):
        """Renders the interventions and runs all networks, or `causal.example_networks`, on everything."""
        self._networks = networks or causal.example_networks(seed)
        self._doses = causal.render(seed, dose_clips)
        self.targets_bk = causal.target_features(clips)
        values = {name: units(clips) for name, units in self._networks.items()}
        # A unit that never moves has neither scores nor responses.
        self._alive = {name: v.std(0) > 1e-9 for name, v in values.items()}
        values = {name: v[:, self._alive[name]] for name, v in values.items()}
        self.scored_bn = np.concatenate(list(values.values()), axis=1).astype(np.float32)
        self._responses = {
            name: causal.respond(
                lambda c, name=name: self._networks[name](c)[:, self._alive[name]],
                self._doses,
                values[name],
                self.targets_bk,
            )
            for name in values
        }
        # Network -> each target's best unit by the metric that comes first in reports, and its place there.
        self._best: dict[str, tuple[int, np.ndarray]] = {}

    def judge(
        self, label: str, order: int, strength_nk: np.ndarray, rows: list[dict[str, Any]]
    ) -> np.ndarray:
        """How well scores predict effects, one number a network and target; adds a row for each.

        Args:
          label: the metric's name in the rows.
          order: its place in reports.
          strength_nk: its scores of all networks' units and the targets.
          rows: get one for each network and intervention.
        """
        predictions, start = [], 0
        for name, response in self._responses.items():
            stop = start + response.per_change_vn.shape[1]
            scores_nk = strength_nk[start:stop]
            slopes = causal.predicted(scores_nk, response.per_change_vn.T)
            selective = causal.predicted(scores_nk, np.maximum(response.selective_vn.T, 0))
            for v, cause in enumerate(causal.CAUSES):
                unit = int(np.argmax(scores_nk[:, v]))
                rows.append(
                    {
                        "metric": label,
                        "network": name,
                        "intervention": cause,
                        "predicts": float(slopes[v]),
                        "predicts_selective": float(selective[v]),
                        "best_unit": unit,
                        "score": float(scores_nk[unit, v]),
                        "response": float(response.per_dose_vn[v, unit]),
                        "per_change": float(response.per_change_vn[v, unit]),
                        "selective": float(response.selective_vn[v, unit]),
                    }
                )
            if name not in self._best or order < self._best[name][0]:
                self._best[name] = order, scores_nk.argmax(0)
            predictions.append(slopes)
            start = stop
        return np.concatenate(predictions)

    def dose_response(self) -> list[dict[str, Any]]:
        """Slopes on the dose: of the features, and of each network's best unit for each feature."""
        slopes = {"features": causal.dose_response(self._doses, self.targets_bk)}
        for name, (_, best_k) in self._best.items():
            slopes[name] = self._responses[name].per_dose_vn[:, best_k]
        targets = [cause.target for cause in causal.CAUSES.values()]
        return [
            {"network": name, "intervention": v, "target": k, "slope": float(matrix[i, j])}
            for name, matrix in slopes.items()
            for i, v in enumerate(causal.CAUSES)
            for j, k in enumerate(targets)
        ]

    def pairs(self) -> list[dict[str, Any]]:
        """Every rendered clip: the same one at five doses."""
        from actjax.datasets import gm_instruments

        return [
            {"intervention": name, "option": cause.field, "dose": dose, "clip_id": clip_id}
            | {"class": gm_instruments.CLASS_NAMES[self._doses.clips[name].label_b[5 * i]]}
            for name, cause in causal.CAUSES.items()
            for i, clip_id in enumerate(self._doses.clips[name].ids)
            for dose in cause.doses
        ]
