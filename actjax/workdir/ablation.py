"""Keeps ablation.parquet: what changes when one neuron is set to its mean, one row a neuron and quantity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import files

NAME = "ablation.parquet"
_REMEDY = "run --stage=ablate again"
_NUMBERS = ("change", "low", "high")
_COLUMNS = ("network", "layer", "neuron", "quantity", "name", *_NUMBERS)
_MADE_FROM = b"made_from"


class AblatedLayer(NamedTuple):
    """Changes by each neuron of a layer, means over held-out clips.

    Attributes:
      loss: [n] of the cross entropy, in nats.
      low, high: [n] its 95 % interval over recordings.
      changed: [n] share of clips that are named otherwise.
      outputs: [n, c] of each class's output, a probability.
    """

    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    changed: np.ndarray
    outputs: np.ndarray


class Ablation(NamedTuple):
    """All of a run.

    Attributes:
      made_from: a hash of weights, clips and layers.
      class_names: of the outputs.
      networks: network -> layer -> its changes.
      responses: network -> layer -> what is changed in the sound -> [n] the neuron's slope on its dose; empty
        for data that cannot be rendered otherwise.
    """

    made_from: str
    class_names: tuple[str, ...]
    networks: Mapping[str, Mapping[str, AblatedLayer]]
    responses: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def write(workdir: Path, result: Ablation) -> Path:
    """Writes the table, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}

    def add(
        network: str, layer: str, quantity: str, name: str, change: Any, low: Any = None, high: Any = None
    ) -> None:
        count = len(change)
        nothing = np.full(count, np.nan)
        rows["network"] += [network] * count
        rows["layer"] += [layer] * count
        rows["neuron"] += range(count)
        rows["quantity"] += [quantity] * count
        rows["name"] += [name] * count
        for key, values in (("change", change), ("low", low), ("high", high)):
            rows[key] += np.asarray(nothing if values is None else values, np.float64).tolist()

    for network, layers in result.networks.items():
        for layer, of_layer in layers.items():
            add(network, layer, "loss", "", of_layer.loss, of_layer.low, of_layer.high)
            add(network, layer, "changed", "", of_layer.changed)
            for name, change in zip(result.class_names, of_layer.outputs.T, strict=True):
                add(network, layer, "output", name, change)
            for name, slope in result.responses.get(network, {}).get(layer, {}).items():
                add(network, layer, "response", name, slope)
    table = pa.table(rows).replace_schema_metadata({_MADE_FROM: result.made_from})
    path = path_of(workdir)
    with files.written_whole(path) as aside:
        pq.write_table(table, aside, compression="zstd", write_page_checksum=True)
    return path


def read(workdir: Path) -> Ablation | None:
    """Reads the table; None where there is none.

    Raises:
      FileError: it is damaged, or not as `write` makes it.
    """
    import pyarrow.parquet as pq

    path = path_of(workdir)
    if not path.exists():
        return None
    files.regular_file(path)
    with files.reading(path, f"changes by neurons; {_REMEDY}"):
        table = pq.read_table(path, page_checksum_verification=True)
        made_from = (table.schema.metadata or {}).get(_MADE_FROM, b"").decode()
        kinds = {name: np.float64 if name in _NUMBERS else None for name in _COLUMNS}
        rows = {name: np.asarray(table[name].to_pylist(), kind) for name, kind in kinds.items()}
        if any(values.ndim != 1 for values in rows.values()):
            raise ValueError("expected one value in each cell")
        return _of_rows(made_from, rows)


def of_neuron(result: Ablation, main: str, layer: str, neuron: int) -> dict[str, Any]:
    """What the page shows of one neuron; nothing for a layer that was not cut."""
    if layer not in result.networks.get(main, {}):
        return {}
    line: dict[str, Any] = {"ablation": _numbers(result.networks[main][layer], neuron)}
    twin = next((name for name in result.networks if name != main), None)
    if twin is not None and layer in result.networks[twin]:
        line["ablation"]["twin"] = _numbers(result.networks[twin][layer], neuron)
    slopes = result.responses.get(main, {}).get(layer, {})
    if slopes:
        before = result.responses.get(twin or "", {}).get(layer, {})
        line["responses"] = {
            name: {
                "trained": _number(of_n[neuron]),
                "untrained": _number(before[name][neuron]) if before else None,
            }
            for name, of_n in slopes.items()
        }
    return line


def _numbers(of_layer: AblatedLayer, neuron: int) -> dict[str, Any]:
    return {
        "loss": _number(of_layer.loss[neuron]),
        "low": _number(of_layer.low[neuron]),
        "high": _number(of_layer.high[neuron]),
        "changed": _number(of_layer.changed[neuron]),
        "outputs": [_number(v) for v in of_layer.outputs[neuron]],
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _of_rows(made_from: str, rows: Mapping[str, np.ndarray]) -> Ablation:
    """Arrays by network and layer; ValueError where rows are missing."""
    networks: dict[str, dict[str, AblatedLayer]] = {}
    responses: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    names: tuple[str, ...] = ()
    pairs = dict.fromkeys(zip(rows["network"].tolist(), rows["layer"].tolist(), strict=True))
    for network, layer in pairs:
        mine = (rows["network"] == network) & (rows["layer"] == layer)

        def of(quantity: str, column: str = "change", mine: np.ndarray = mine) -> dict[str, np.ndarray]:
            there = mine & (rows["quantity"] == quantity)
            columns = {
                str(name): rows[column][there & (rows["name"] == name)] for name in rows["name"][there]
            }
            return {name: np.asarray(values, np.float64) for name, values in columns.items()}

        loss, outputs = of("loss")[""], of("output")
        names = names or tuple(outputs)
        if set(outputs) != set(names) or any(len(v) != len(loss) for v in outputs.values()):
            raise ValueError(f"expected {len(loss)} changes of each class's output in layer {layer!r}")
        stacked = np.stack([outputs[name] for name in names], axis=1)
        ends = (of("loss", "low")[""], of("loss", "high")[""])
        networks.setdefault(network, {})[layer] = AblatedLayer(loss, *ends, of("changed")[""], stacked)
        responses.setdefault(network, {})[layer] = of("response")
    return Ablation(made_from, names, networks, responses)
