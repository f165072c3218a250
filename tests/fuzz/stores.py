"""Forges HDF5, Zarr and Parquet files through their own libraries: what bytes at random seldom reach."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mutations import HOSTILE, Unfit, changed_json, choose, json_text, parsed

CANARY = "canary"
SHAPES = ((0,), (), (1,), (50_000_000, 3), (7, 50_000_000), (2**40,), (7, 3, 5, 2, 1), (7, 0), (6, 4))


class Canary:
    """Unpickled, it leaves a file in the current folder."""

    def __reduce__(self):
        return Path.touch, (Path(CANARY),)


def hdf5(rng: np.random.Generator, path: Path) -> None:
    """Adds to an HDF5 file, or changes in it, what a reader may stumble over."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        choose(rng, (_link, _link, _dataset, _dataset, _dataset, _attribute, _attribute, _remove))(
            rng, file, choose(rng, names)
        )


def _link(rng: np.random.Generator, file: Any, name: str) -> None:
    place = choose(rng, (f"{name.rsplit('/', 1)[0]}/new", "new", "a/b/new"))
    how = choose(rng, ("loop", "self", "dangling", "outside", "hard loop", "hard"))
    if how == "hard loop":
        group = file[name] if isinstance(file[name], h5py.Group) else file[name].parent
        group["loop"] = group
    elif how == "hard":
        file["again"] = file[name]
    else:
        targets = {"loop": h5py.SoftLink("/"), "self": h5py.SoftLink(f"/{place}")}
        targets |= {"dangling": h5py.SoftLink("/nowhere"), "outside": h5py.ExternalLink("../secret.h5", "/x")}
        if place in file:
            raise Unfit
        file[place] = targets[how]


def _dataset(rng: np.random.Generator, file: Any, name: str) -> None:
    """Replaces a data set by one of another type, shape or storage."""
    if not isinstance(file[name], h5py.Dataset):
        raise Unfit
    attributes, shape = dict(file[name].attrs), file[name].shape
    del file[name]
    kinds = (
        "f4",
        "f8",
        "f2",
        "i1",
        "u8",
        ">f4",
        "?",
        "S5",
        h5py.string_dtype(),
        h5py.ref_dtype,
        h5py.regionref_dtype,
        h5py.vlen_dtype(np.float32),
        np.dtype([("a", "f4"), ("b", "i2")]),
        np.dtype("V7"),
        h5py.enum_dtype({"a": 1}, "i1"),
        h5py.opaque_dtype(np.dtype("M8[s]")),
        "c8",
    )
    how = choose(rng, ("type", "shape", "empty", "outside", "chunks", "virtual"))
    if how == "empty":
        made = file.create_dataset(name, data=h5py.Empty("f4"))
    elif how == "outside":
        made = file.create_dataset(name, shape, "f4", external=[("../secret.bin", 0, 10**6)])
    elif how == "virtual":
        layout = h5py.VirtualLayout(shape or (1,), "f4")
        layout[...] = h5py.VirtualSource("../secret.h5", "x", shape=shape or (1,))
        made = file.create_virtual_dataset(name, layout)
    elif how == "chunks":
        # Declared and never written: a few bytes on disk.
        made = file.create_dataset(name, choose(rng, SHAPES[3:6]), "f4", chunks=True, compression="gzip")
    else:
        given = shape if how == "type" else choose(rng, (SHAPES[0], *SHAPES[1:3], *SHAPES[6:]))
        made = file.create_dataset(name, given, choose(rng, kinds) if how == "type" else "f4")
    for key, value in attributes.items():
        made.attrs[key] = value


def _attribute(rng: np.random.Generator, file: Any, name: str) -> None:
    holder = choose(rng, (file, file[name], file[name]))
    key = choose(rng, [*holder.attrs, "hop_s", "clip_ids"])
    values = (
        h5py.Empty("f4"),
        np.zeros(0),
        np.zeros((2, 2)),
        np.float64("nan"),
        b"\xff\xfe",
        "x",
        "\x1b[2J",
        np.array([b"a", b"a"]),
        np.array([("a", 1)], dtype=[("a", "S1"), ("b", "i4")]),
        -1,
        10**18,
        file[name].ref,
        "{",
        "null",
        "[" * 50_000,
        '{"config": 3}',
    )
    old = holder.attrs.get(key)
    text = old.decode("utf-8", "replace") if isinstance(old, bytes) else old
    if isinstance(text, str) and text.startswith("{") and rng.random() < 0.7:
        changed = json_text(changed_json(rng, parsed(text.encode()))).encode("utf-8", "surrogatepass")
        if len(changed) > 60_000 or b"\0" in changed:
            raise Unfit
        holder.attrs[key] = changed
        return
    del holder.attrs[key]
    if rng.random() < 0.8:
        holder.attrs[key] = choose(rng, values)


def _remove(rng: np.random.Generator, file: Any, name: str) -> None:
    del file[name]


def zarr(rng: np.random.Generator, folder: Path) -> None:
    """Changes a Zarr store: metadata, chunks, codecs that would run code, chunks that are gone."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    metadata = [p for p in files if p.name in (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")]
    chunks = [p for p in files if p not in metadata]
    how = choose(rng, ("json", "json", "json", "chunk", "gone", "code", "large", "consolidated"))
    if how == "json":
        path = choose(rng, metadata)
        path.write_bytes(
            json_text(changed_json(rng, parsed(path.read_bytes()))).encode("utf-8", "surrogatepass")
        )
    elif how == "chunk":
        path = choose(rng, chunks)
        path.write_bytes(rng.bytes(int(rng.integers(60))))
    elif how == "gone":
        choose(rng, files).unlink()
    elif how == "large":
        _arrays(rng, metadata, lambda about: about | {"shape": list(choose(rng, SHAPES[3:6]))})
    else:
        _code(rng, metadata, chunks, folder, consolidated=how == "consolidated")


def _arrays(rng: np.random.Generator, metadata: list[Path], change: Callable[[dict], dict]) -> Path:
    arrays = [p for p in metadata if "shape" in json.loads(p.read_bytes())]
    path = choose(rng, arrays)
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))
    return path


def _code(
    rng: np.random.Generator, metadata: list[Path], chunks: list[Path], folder: Path, consolidated: bool
) -> None:
    """Stores pickles that leave a file when they are read, behind every name for a codec."""
    own = {"compressor": {"id": "pickle"}, "filters": None, "dtype": "|O", "fill_value": None}
    turned = {"compressor": None, "filters": [{"id": "pickle"}], "dtype": "|O", "fill_value": None}
    new = {
        "codecs": [{"name": "numcodecs.pickle", "configuration": {}}],
        "data_type": "variable_length_bytes",
    }
    path = _arrays(
        rng, metadata, lambda about: about | (choose(rng, (own, turned)) if "dtype" in about else new)
    )
    if consolidated:
        entry = {path.relative_to(folder).as_posix(): json.loads(path.read_bytes())}
        (folder / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": entry}))
    for chunk in chunks:
        if path.parent in chunk.parents:
            chunk.write_bytes(pickle.dumps(Canary()))


def parquet(rng: np.random.Generator, path: Path) -> None:
    """Writes the table anew with other columns, types, values or metadata."""
    table = pq.read_table(path)
    at = int(rng.integers(table.num_columns))
    name, how = (
        table.column_names[at],
        choose(rng, ("drop", "type", "rename", "null", "twice", "about", "rows")),
    )
    count = table.num_rows
    others = (
        pa.array([None] * count),
        pa.array(["x"] * count),
        pa.array([1] * count),
        pa.array([[1.0]] * count),
        pa.array([float("nan")] * count),
        pa.array([{"a": 1}] * count),
        pa.array([b"\xff"] * count),
        pa.array([True] * count),
        pa.array([2**62] * count),
    )
    about = dict(table.schema.metadata or {})
    if how == "drop":
        table = table.drop_columns([name])
    elif how == "type":
        table = table.set_column(at, name, choose(rng, others))
    elif how == "rename":
        names = [choose(rng, HOSTILE[4:]) if i == at else n for i, n in enumerate(table.column_names)]
        table = table.rename_columns([n.encode("utf-8", "replace").decode() for n in names])
    elif how == "null":
        kind = table.schema.field(at).type
        table = table.set_column(at, pa.field(name, kind), pa.nulls(count, kind))
    elif how == "twice":
        table = table.append_column(name, table.column(at))
    elif how == "rows":
        table = choose(rng, (table.slice(0, 0), pa.concat_tables([table, table])))
    elif b"actjax" in about:
        wrong = json_text(changed_json(rng, parsed(about[b"actjax"]))), "{", "", "[]", "null", "\x00"
        about[b"actjax"] = choose(rng, wrong).encode("utf-8", "replace")
    table = table.replace_schema_metadata(about)
    pq.write_table(table, path)
