"""Says what the scores tell of every neuron, feature and class: the atlas's index and profiles."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax.atlas_site.chosen import class_effects
from actjax.atlas_site.coded import column, rounded
from actjax.report import neurons as of_report
from actjax.report.neuron_table import of_neurons
from actjax.report.neurons import Best
from actjax.report.score_rows import GIVEN, Rows, is_given, rows_of, strongest_by
from actjax.report.summary import INPUT, UNTRAINED, Summary

if TYPE_CHECKING:
    import pyarrow

# Neurons of a layer that a feature's and a class's page name.
NAMED = 3
# Of a layer's scores of a feature in several views, those in the first of these are named.
PREFERRED = ("frame", "clip", "map")


def index_columns(
    best: Best, summary: Summary, layer_number: Mapping[str, int], eta2: Mapping[str, np.ndarray]
) -> dict[str, list[Any]]:
    """The table of all neurons as columns of equal length.

    Args:
      best: of all neurons.
      summary: names layers and features.
      layer_number: layer -> its number in the atlas.
      eta2: layer -> [n] shares of variance between classes.
    """
    numbers = (
        "score",
        "null_mean",
        "null_low",
        "null_high",
        "untrained",
        "input",
        "gain",
        "gain_low",
        "gain_high",
    )
    columns = {name: column(getattr(best, name)) for name in numbers}
    return {
        "layer": [layer_number[summary.layers[code]] for code in best.layer],
        "neuron": best.neuron.tolist(),
        "set": best.set.tolist(),
        "strong": [summary.features.index(name) if name else -1 for name in best.strongest_feature],
        "strong_row": [
            row_name(row, 0, name)
            for row, name in zip(best.strongest_row, best.strongest_feature, strict=True)
        ],
        "strong_score": column(best.strongest_score),
        "feature": [summary.features.index(name) if name else -1 for name in best.feature],
        "row": [row_name(*one) for one in zip(best.row_name, best.row.tolist(), best.feature, strict=True)],
        "p": column(best.p_maxt),
        "announced": best.announced.astype(int).tolist(),
        "eta2": column(of_neurons(best, eta2, summary)),
        **columns,
    }


def row_name(name: str | None, row: int, feature: str) -> str:
    """A row's name; nothing for a feature of one row, a number where an older table has no names."""
    if name:
        return "" if name == feature else name
    return "all" if row < 0 else str(row) if feature else ""


def profiles(
    table: "pyarrow.Table", summary: Summary, rows: Rows
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(layer's code, neuron) -> its strongest row of every feature, in the frame and the clip view."""
    main = rows.where(rows.network == summary.networks.index(summary.main))
    picked = main.where(strongest_by([main.layer, main.neuron, main.set, main.feature], main.strength))
    neurons, each = np.stack([picked.layer, picked.neuron], 1), np.arange(len(picked.at))
    entries = of_report.described(table, summary, rows, picked, neurons, each, each)
    of_input_itself = is_given(picked, summary)
    out: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for i, (layer, neuron) in enumerate(neurons.tolist()):
        numbers = ("score", "null_mean", "null_low", "null_high", "twin", "untrained", "input")
        line: dict[str, Any] = {name: rounded(getattr(entries, name)[i]) for name in numbers}
        line |= {
            "feature": int(picked.feature[i]),
            "p": rounded(entries.p_maxt[i]),
            "given": bool(of_input_itself[i]),
        }
        line |= {"set": int(picked.set[i])}
        line["row"] = row_name(entries.row_name[i], int(entries.row[i]), entries.feature[i])
        out.setdefault((layer, neuron), []).append(line)
    return out


def agreement(
    table: "pyarrow.Table", summary: Summary, best: Best
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(layer's code, neuron) -> the score with the row that it stands with, under every metric and view.

    A metric that compares with a feature as a whole has one score of all its rows.
    """
    rows = rows_of(table, summary, range(len(summary.sets)))
    main = rows.where((rows.network == summary.networks.index(summary.main)) & ~np.isnan(rows.strength))
    features = [summary.features.index(name) if name else -1 for name in best.feature]
    asked = np.full((len(summary.layers), int(best.neuron.max(initial=0)) + 1, 2), -2)
    asked[best.layer, best.neuron] = np.stack([features, best.row], 1)
    main = main.where(main.neuron < asked.shape[1])
    feature, row = asked[main.layer, main.neuron].T
    mine = main.where((main.feature == feature) & ((main.row == row) | (main.row < 0)))
    score = table["score"].take(mine.at).to_numpy()
    out: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for i in np.lexsort((mine.set, mine.neuron, mine.layer)).tolist():
        line = {"set": int(mine.set[i]), "whole": bool(mine.row[i] < 0), "score": rounded(score[i])}
        out.setdefault((int(mine.layer[i]), int(mine.neuron[i])), []).append(line)
    return out


class Beside(NamedTuple):
    """The matrix feature that a neuron's maps resemble most, its score and the score set."""

    feature: str
    score: float
    set: int


def resembled(summary: Summary) -> dict[tuple[str, int], Beside]:
    """(layer, neuron) -> the feature that its maps resemble most, in the leading set of the map view."""
    u = summary.units
    sets = [s for s in summary.leading() if summary.sets[s].view == "map"]
    mine = (u.network == summary.networks.index(summary.main)) & np.isin(u.set, sets)
    of_input_itself = np.isin(
        u.feature, [i for i, name in enumerate(summary.features) if GIVEN.get(name, 0) is None]
    )
    strength = np.where(mine & ~of_input_itself, u.strength, np.nan)
    entries = {}
    for i in strongest_by([u.layer, u.neuron], strength):
        key = (summary.layers[u.layer[i]], int(u.neuron[i]))
        entries[key] = Beside(summary.features[u.feature[i]], float(u.score[i]), int(u.set[i]))
    return entries


def feature_rows(table: "pyarrow.Table", summary: Summary) -> dict[tuple[int, int], str]:
    """(feature's code, row) -> the row's name, where the table has names."""
    from actjax.scores.schema import codes

    code, names = codes(table, "feature")
    place = np.asarray([summary.features.index(name) for name in names])
    rows = table["row"].to_numpy()
    key = place[code].astype(np.int64) << 32 | (rows + 1)
    _, first = np.unique(key, return_index=True)
    said = table["row_name"].take(first).to_pylist()
    return {(int(place[code[i]]), int(rows[i])): name for i, name in zip(first, said, strict=True) if name}


class Strongest:
    """The strongest units of each network, by layer and feature."""

    def __init__(self, table: "pyarrow.Table", summary: Summary, rows: Rows):
        labels = [rows.set, rows.network, rows.layer, rows.neuron, rows.feature]
        self.rows = rows.where(strongest_by(labels, rows.strength))
        self.score = table["score"].take(self.rows.at).to_numpy()
        self.summary, self.names = summary, feature_rows(table, summary)

    def of(self, network: str, layer: str | None, feature: int, most: int) -> list[dict[str, Any]]:
        """The strongest of a network's units, of one layer or all, in the preferred view that has any."""
        code, summary = self.summary.network(network), self.summary
        mine = (self.rows.network == (-1 if code is None else code)) & (self.rows.feature == feature)
        if layer is not None:
            mine &= self.rows.layer == summary.layers.index(layer)
        at = np.flatnonzero(mine)
        by_view = {summary.sets[s].view: s for s in np.unique(self.rows.set[at])}
        if not by_view:
            return []
        at = at[self.rows.set[at] == next(by_view[v] for v in PREFERRED if v in by_view)]
        return [self._line(i, feature) for i in at[np.argsort(-self.rows.strength[at], kind="stable")][:most]]

    def _line(self, i: int, feature: int) -> dict[str, Any]:
        row = int(self.rows.row[i])
        name = row_name(self.names.get((feature, row)), row, self.summary.features[feature])
        return {"neuron": int(self.rows.neuron[i]), "row": name, "score": rounded(self.score[i])}


def features(
    table: "pyarrow.Table", summary: Summary, rows: Rows, layer_number: Mapping[str, int]
) -> list[dict[str, Any]]:
    """For each feature its rows, each layer's strongest neurons, trained and untrained, and the input's."""
    strongest, units, out = Strongest(table, summary, rows), _units(table, summary), []
    for f, name in enumerate(summary.features):
        best = []
        for layer, number in layer_number.items():
            if layer in summary.layers and (trained := strongest.of(summary.main, layer, f, NAMED)):
                before = next(iter(strongest.of(UNTRAINED, layer, f, 1)), None)
                best.append({"layer": number, "trained": trained, "untrained": before})
        names = [text for (feature, row), text in strongest.names.items() if feature == f and row >= 0]
        of_input = next(iter(strongest.of(INPUT, None, f, 1)), None)
        out.append({"name": name, "unit": units.get(f, ""), "rows": names, "best": best, "input": of_input})
    return out


def classes(
    means: Mapping[str, Mapping[str, np.ndarray]], member_bc: np.ndarray, layer_number: Mapping[str, int]
) -> tuple[list[list[dict[str, Any]]], dict[str, np.ndarray]]:
    """For each class each layer's neurons that prefer it most; layer -> [n] the class that a neuron prefers.

    Args:
      means: network -> layer -> [b, n] mean activations; the first network is the trained one.
      member_bc: [b, c] bool.
      layer_number: layer -> its number in the atlas.
    """
    trained, *others = means
    best: list[list[dict[str, Any]]] = [[] for _ in range(member_bc.shape[1])]
    preferred = {}
    for layer, number in layer_number.items():
        of_network = [
            np.nan_to_num(class_effects(means[n][layer], member_bc), nan=-np.inf) for n in (trained, *others)
        ]
        effects = of_network[0]
        preferred[layer] = np.where(np.isfinite(effects).any(axis=1), effects.argmax(axis=1), -1)
        for c, lines in enumerate(best):
            order = [
                n for n in np.argsort(-effects[:, c], kind="stable")[:NAMED] if np.isfinite(effects[n, c])
            ]
            if order:
                named = [{"neuron": int(n), "score": rounded(effects[n, c])} for n in order]
                before = rounded(of_network[1][:, c].max()) if others else None
                lines.append({"layer": number, "trained": named, "untrained": before})
    return best, preferred


def _units(table: "pyarrow.Table", summary: Summary) -> dict[int, str]:
    """Feature's code -> its unit, where the table has units."""
    from actjax.scores.schema import codes

    code, names = codes(table, "feature")
    present, first = np.unique(code, return_index=True)
    said = table["unit"].take(first).to_pylist()
    return {summary.features.index(names[c]): unit for c, unit in zip(present, said, strict=True) if unit}
