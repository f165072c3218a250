"""The units of networks in the causal check: what they score, and what they then do."""

from typing import Any

import numpy as np

from actjax.benchmark.metrics import causal


class JudgedUnits:
    """The networks of the causal check on the clips that are scored and on those of the interventions.

    Attributes:
      scored_bn: [b, n] all networks' units on the clips that are scored.
      targets_bk: [b, target] the target features of these.
    """

    def __init__(self, networks, clips, seed: int, dose_clips: int):
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
        self._best: dict[str, np.ndarray] = {}

    def judge(self, label: str, strength_nk: np.ndarray, rows: list[dict[str, Any]]) -> np.ndarray:
        """How well scores predict effects, one number a network and target; adds a row for each."""
        found, start = [], 0
        for name, response in self._responses.items():
            stop = start + response.per_change_vn.shape[1]
            mine = strength_nk[start:stop]
            slopes = causal.predicted(mine, response.per_change_vn.T)
            selective = causal.predicted(mine, np.maximum(response.selective_vn.T, 0))
            for v, cause in enumerate(causal.CAUSES):
                unit = int(np.argmax(mine[:, v]))
                rows.append(
                    {"metric": label, "network": name, "intervention": cause, "predicts": float(slopes[v])}
                    | {
                        "predicts_selective": float(selective[v]),
                        "best_unit": unit,
                        "score": float(mine[unit, v]),
                    }
                    | {"response": float(response.per_dose_vn[v, unit])}
                    | {"per_change": float(response.per_change_vn[v, unit])}
                    | {"selective": float(response.selective_vn[v, unit])}
                )
            if label == "pearson" or name not in self._best:
                self._best[name] = mine.argmax(0)
            found.append(slopes)
            start = stop
        return np.concatenate(found)

    def dose_response(self) -> list[dict[str, Any]]:
        """Slopes on the dose: of the features, and of each network's best unit for each feature."""
        found = {"features": causal.dose_response(self._doses, self.targets_bk)}
        for name, best in self._best.items():
            found[name] = self._responses[name].per_dose_vn[:, best]
        targets = [cause.target for cause in causal.CAUSES.values()]
        return [
            {"network": name, "intervention": v, "target": k, "slope": float(matrix[i, j])}
            for name, matrix in found.items()
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
