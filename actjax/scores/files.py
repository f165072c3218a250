"""Writes and reads score tables: one Parquet file per score set, long form, one row per scored pair.

A score set is written from blocks. A block is a dict of columns in which a single value stands for
all rows of the block, so that the [n, k] scores of one layer and one feature need no label arrays:

    block = score_block({"score": score_nk}, network="trained", layer="conv1", depth=0.2,
                        feature="chroma_stft", view="frame", part="within", metric="pearson",
                        n_observations=20_000)
    write_scores("runs/a/scores/first.parquet", [block, ...], {"config": {...}, "step": 400})
    table = load_scores("runs/a")
"""

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from actjax import files
from actjax.scores.schema import (
    KEY,
    NAMES,
    NULLABLE,
    STATISTICS,
    STRINGS,
    ScoresError,
    check,
    keys,
    of_earlier_version,
    repeated,
    schema,
    table_of,
    without_checkpoints,
)

if TYPE_CHECKING:
    import pyarrow

# Grows when a score set holds other columns, so that a set of an older version is made again beside it.
VERSION = 3
_METADATA_KEY = b"actjax"


def folder_of(workdir: str | os.PathLike[str]) -> Path:
    """The folder of a workdir's score sets."""
    return Path(workdir) / "scores"


def path_of(workdir: str | os.PathLike[str], name: str) -> Path:
    """The file of a score set."""
    return folder_of(workdir) / f"{name}.parquet"


def tables_of(workdir: str | os.PathLike[str]) -> list[Path]:
    """The tables of a workdir's score sets, the newest first, whose rows stand."""
    paths = folder_of(workdir).glob("*.parquet")
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def score_block(
    outputs: Mapping[str, Any],
    *,
    n_observations: int | np.ndarray,
    whole_feature: bool = False,
    row_names: Sequence[str] | None = None,
    **labels: Any,
) -> dict[str, Any]:
    """The [n, k] outputs of one metric on one layer and one feature as a block of n * k rows.

    Args:
      outputs: "score" [n, k] and what else the metric finds ("std_error", "lag", "shift", the
        statistics), each [n, k]; NaN is undefined. Names that the table has not are left out.
      n_observations: a number, or an array that broadcasts to [n, k].
      whole_feature: the scores are of the feature as a whole: k is 1 and `row` becomes -1.
      row_names: [k] what the rows are called; a feature as a whole is called "all".
      **labels: network, layer, depth, feature, view, metric, unit; options ("{}") and part ("within") have
        defaults, the unit may be left out.

    Returns:
      The block: flat columns, neuron by neuron, and single-valued labels.
    """
    score_nk = np.asarray(outputs["score"], np.float32)
    n, k = score_nk.shape
    if whole_feature and k != 1:
        raise ScoresError(f"a whole-feature score is one column; got {k}: leave whole_feature out for rows")
    rows_k = np.full(1, -1) if whole_feature else np.arange(k)
    block = dict(labels) | {
        "neuron": np.repeat(np.arange(n, dtype=np.int32), k),
        "row": np.tile(rows_k.astype(np.int32), n),
        "score": score_nk.ravel(),
        "valid": np.isfinite(score_nk).ravel(),
        "n_observations": np.broadcast_to(np.asarray(n_observations, np.int64), (n, k)).ravel(),
    }
    names = ("all",) if whole_feature else row_names
    if names is not None:
        block["row_name"] = _repeated(names, n)
    for name in NULLABLE + STATISTICS:
        if name in outputs:
            block[name] = np.asarray(outputs[name], np.float32).ravel()
    return block


def _repeated(names: Sequence[str], times: int) -> "pyarrow.Array":
    """The names one after the other, that often."""
    import pyarrow as pa

    known = list(dict.fromkeys(names))
    codes = np.asarray([known.index(name) for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(np.tile(codes, times), pa.array(known, pa.string()))


def write_scores(
    path: str | os.PathLike,
    columns: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    metadata: Mapping[str, Any],
) -> Path:
    """Writes one score set, whole or not at all.

    Args:
      path: of the `.parquet` file; its folder is made.
      columns: one block, or blocks, of which one at a time is asked for: name -> array or single
        value. `options`, `part` and `valid` (where the score is finite) have defaults; std_error, lag,
        shift and the statistics may be absent, and NaN in them is stored as null.
      metadata: what JSON can hold: the config, the checkpoint's step and hash.

    Returns:
      The path written.

    Raises:
      ScoresError: an unknown or missing column, lengths that differ, an infinite score, a valid
        row without a score, an unknown view or part, or a key that occurs twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    blocks = [columns] if isinstance(columns, Mapping) else columns
    tables = [table_of(block) for block in cast("Iterable[Mapping[str, Any]]", blocks)]
    if not tables:
        raise ScoresError("no scores to write: expected at least one block of columns, got none")
    # The blocks stay where they are: putting 9 million rows in one piece took 0.7 GiB more.
    table = pa.concat_tables(tables).unify_dictionaries()
    check(table)
    twice = repeated(table)
    if twice is not None:
        row = {name: table[name][twice].as_py() for name in KEY}
        raise ScoresError(f"this key occurs twice in the scores, expected once: {json.dumps(row)}")
    table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(dict(metadata))})
    path, repeating = Path(path), [*STRINGS, *NAMES, "neuron", "row", "control_score"]
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        options: dict[str, Any] = {"use_dictionary": repeating, "write_page_checksum": True}
        pq.write_table(table, file, compression="zstd", **options)
    return path


def load_scores(workdir: str | os.PathLike, *, checkpoints: bool = False) -> "pyarrow.Table":
    """All score sets of a workdir as one pyarrow Table in `schema()`.

    Scores of earlier steps of training, networks "step100" ..., are among them if `checkpoints` is True.

    Where several sets hold the same key, the row of the newest file stands. The metadata of the sets of
    which rows stand are read by `scores_metadata(table)`.

    >>> import tempfile
    >>> block = score_block({"score": [[0.5, -0.2]]}, n_observations=60, network="trained", layer="conv1",
    ...                     depth=0.5, feature="chroma_stft", view="clip", metric="pearson")
    >>> workdir = tempfile.mkdtemp()
    >>> _ = write_scores(path_of(workdir, "first"), block, {})
    >>> load_scores(workdir).select(["layer", "neuron", "feature", "row", "score"]).to_pylist()[1]["row"]
    1

    Raises:
      ScoresError: no workdir, no score set in it, or a file that is no score set.
      FileError: a file that is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = folder_of(workdir)
    hint = f"run `actjax score {shlex.quote(str(workdir))}` first"
    if not Path(workdir).is_dir():
        raise ScoresError(f"no workdir {workdir}: expected the folder of a run, with scores/*.parquet")
    paths = tables_of(workdir)
    if not paths:
        raise ScoresError(f"no score sets in {folder}: expected at least one .parquet file; {hint}")
    tables, notes = [], {}
    for path in paths:
        files.regular_file(path)
        with files.reading(path, f"a score set; delete it and {hint}"), pa.OSFile(str(path)) as file:
            table = of_earlier_version(pq.read_table(file, page_checksum_verification=True))
        if not table.schema.equals(schema()):
            names = sorted(set(schema().names) ^ set(table.schema.names)) or ["column types"]
            shown = ", ".join(map(files.printable, names[:3])) + ", ..." * (len(names) > 3)
            raise ScoresError(f"{path} is no score set: it differs in {shown}; move or delete it")
        with files.reading(path, "a score set"):
            check(table)
            if not len(table):
                raise ValueError(f"it holds no scores; delete it and {hint}")
            notes[path.name] = dict(json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}")))
        tables.append(table.replace_schema_metadata(None))
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    if len(tables) > 1:
        first = np.sort(np.unique(keys(table), return_index=True)[1])
        starts = np.cumsum([0, *(len(one) for one in tables)])
        standing = np.diff(np.searchsorted(first, starts)) > 0
        notes = {name: note for (name, note), some in zip(notes.items(), standing, strict=True) if some}
        table = table if len(first) == len(table) else table.take(pa.array(first))
    table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(notes)})
    return table if checkpoints else without_checkpoints(table)


def read_tested(path: Path, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a score set's table, of the rows that have a p-value.

    Raises:
      FileError: the file is damaged.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files.regular_file(path)
    asked = list(dict.fromkeys((*columns, "p_value")))
    with files.reading(path, "a score set"), open(path, "rb") as file:
        table = pq.read_table(file, columns=asked, page_checksum_verification=True)
        table = table.filter(pc.field("p_value").is_valid())
        return {name: table[name].to_numpy() for name in columns}


def read_note(path: Path) -> dict[str, Any] | None:
    """The metadata of a score set; None where the end of the file, which holds it, is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        note = json.loads((pq.read_schema(path).metadata or {}).get(_METADATA_KEY, b"{}"))
    except (pa.ArrowException, OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def scores_metadata(table: "pyarrow.Table") -> dict[str, dict]:
    """File name -> the metadata given to `write_scores`, for a table from `load_scores`."""
    return json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
