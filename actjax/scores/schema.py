"""Makes score sets in memory: their schema, blocks of columns as tables, and the unique key."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow

STRINGS = ("network", "options", "layer", "feature", "view", "part", "metric")
KEY = ("network", "layer", "neuron", "feature", "row", "view", "part", "metric", "options")
NULLABLE = ("std_error", "lag", "shift")
# What a row of a feature is called and measured in; null in tables of earlier versions, which had no names.
NAMES = ("row_name", "unit")
STATISTICS = ("null_mean", "null_std", "p_value", "q_value", "p_maxt", "ci_low", "ci_high", "control_score")
DEFAULTS = {"options": "{}", "part": "within"}
# The network of a row that is of training's weights after a step: "step100".
_CHECKPOINT = "step"
PARTS = ("within", "between", "total")
VIEWS = ("clip", "frame", "map")


class ScoresError(ValueError):
    """A score table that cannot be written or read; the message is one line."""


def schema() -> "pyarrow.Schema":
    """The pyarrow schema of a score set: the key's columns, then numbers, then what may be null.

    `std_error` and the 95 % interval `ci_low` to `ci_high` are over recordings; `p_value`, `q_value` and
    `p_maxt` against the null, which has `null_mean` and `null_std`; `control_score` is the score of the
    strongest unit of the untrained network or the input for the same feature row. `row_name` is the row's
    ("1034 Hz", "C#", "all" for the feature as a whole), `unit` that of the feature's values.
    """
    import pyarrow as pa

    label = pa.dictionary(pa.int32(), pa.string())
    types = {
        "network": label,
        "options": label,
        "layer": label,
        "depth": pa.float32(),
        "neuron": pa.int32(),
        "feature": label,
        "row": pa.int32(),
        "view": label,
        "part": label,
        "metric": label,
        "score": pa.float32(),
        "valid": pa.bool_(),
        "n_observations": pa.int64(),
    }
    fields = [pa.field(name, kind, nullable=False) for name, kind in types.items()]
    fields += [pa.field(name, pa.float32()) for name in NULLABLE + STATISTICS]
    return pa.schema(fields + [pa.field(name, label) for name in NAMES])


def checkpoint_name(step: int) -> str:
    """What a table calls the network after so many steps of training."""
    return f"{_CHECKPOINT}{step}"


def checkpoint_step(network: str) -> int:
    """The step that `checkpoint_name` wrote; -1 for any other network."""
    number = network.removeprefix(_CHECKPOINT)
    return int(number) if number != network and number.isdecimal() else -1


def without_checkpoints(table: "pyarrow.Table") -> "pyarrow.Table":
    """The rows of networks that are no checkpoints of one."""
    code, networks = codes(table, "network")
    steps = np.array([checkpoint_step(name) for name in networks] or [-1])
    import pyarrow as pa

    return table if (steps < 0).all() else table.filter(pa.array(steps[code] < 0))


def of_earlier_version(table: "pyarrow.Table") -> "pyarrow.Table":
    """The table with the columns that its version had not yet, as nulls.

    The first version had a column `control`, which was always "none", and lacked most of what may be null;
    the second lacked the names of rows and their units.
    """
    import pyarrow as pa

    lacking = NAMES
    if "control" in table.schema.names:
        table, lacking = table.drop_columns(["control"]), NULLABLE + STATISTICS + NAMES
    elif not set(table.schema.names) >= set(STATISTICS):
        return table
    for field in schema():
        if field.name in lacking and field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    names = schema().names
    return table.select(names) if set(table.schema.names) == set(names) else table


def codes(table: "pyarrow.Table", name: str) -> tuple[np.ndarray, list[str]]:
    """A string column as ([rows] int32 codes, the names that the codes index)."""
    column = table[name].combine_chunks()
    column = column.chunk(0) if hasattr(column, "chunk") else column
    return column.indices.to_numpy(zero_copy_only=False), column.dictionary.to_pylist()


def table_of(block: Mapping[str, Any]) -> "pyarrow.Table":
    """A block of columns as a pyarrow.Table of the schema; absent columns get their defaults."""
    import pyarrow as pa

    block = DEFAULTS | dict(block)
    if "valid" not in block and "score" in block:
        block["valid"] = np.isfinite(np.asarray(block["score"], np.float32))
    names = schema().names
    unknown = [name for name in block if name not in names]
    missing = [name for name in names if name not in block and name not in NULLABLE + STATISTICS + NAMES]
    if unknown or missing:
        raise ScoresError(
            f"score columns: unknown {unknown or 'none'}, missing {missing or 'none'}; known: {names}"
        )
    lengths = {name: len(value) for name, value in block.items() if _is_column(value)}
    if len(set(lengths.values())) > 1:
        raise ScoresError(f"score columns must have one length; got {lengths}")
    rows = next(iter(lengths.values()), 1)
    return pa.table([_column(block.get(f.name), f, rows) for f in schema()], schema=schema())


def _is_column(value: object) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


def _column(value: Any, field: "pyarrow.Field", rows: int) -> "pyarrow.Array":
    import pyarrow as pa

    if value is None:
        return pa.nulls(rows, field.type)
    if field.name in STRINGS + NAMES:
        if not _is_column(value):
            return pa.DictionaryArray.from_arrays(
                np.zeros(rows, np.int32), pa.array([str(value)], pa.string())
            )
        array = value if isinstance(value, pa.Array) else pa.array(value, pa.string())
        array = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        return array.cast(field.type)
    array = np.asarray(value, field.type.to_pandas_dtype())
    array = array if array.ndim else np.full(rows, array)
    return pa.array(array, field.type, from_pandas=field.nullable)


def check(table: "pyarrow.Table") -> None:
    """Raises ScoresError for an infinite score, a valid row without one, an unknown view or part."""
    score, valid = table["score"].to_numpy(), table["valid"].to_numpy()
    infinite, empty = np.isinf(score), valid & ~np.isfinite(score)
    for bad, what in ((infinite, "an infinite score"), (empty, "no score although it is valid")):
        if bad.any():
            row = {name: table[name][int(np.argmax(bad))].as_py() for name in KEY}
            raise ScoresError(
                f"{bad.sum()} rows have {what}; expected a number or NaN: first {json.dumps(row)}"
            )
    for name, known in (("view", VIEWS), ("part", PARTS)):
        unknown = sorted(set(table[name].unique().to_pylist()) - set(known))
        if unknown:
            raise ScoresError(f"unknown {name} {unknown[0]!r} in the scores; known: {', '.join(known)}")


def repeated(table: "pyarrow.Table") -> int | None:
    """The index of a row whose key another row has too, or None."""
    key = keys(table)
    ordered = np.sort(key)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return int(np.argmax(key == twice[0])) if twice.size else None


def keys(table: "pyarrow.Table") -> np.ndarray:
    """[rows] int64, equal exactly where the key columns are: the columns as digits of one number."""
    key, size = np.zeros(len(table), np.int64), 1
    for name in KEY:
        if name in STRINGS:
            digit, base = codes(table, name)[0], len(codes(table, name)[1])
        else:
            digit = table[name].to_numpy().astype(np.int64)
            digit = digit - (digit.min() if digit.size else 0)
            base = int(digit.max()) + 1 if digit.size else 1
        size *= max(base, 1)
        if size >= 2**63:
            raise ScoresError("too many different keys for one table; write fewer networks or options a set")
        key = key * max(base, 1) + digit
    return key
