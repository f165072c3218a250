"""Arrays from elsewhere: activations, features, the input's mean, weights from Keras."""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import h5py
import mutations
import numpy as np
import stores
import zarr
from kinds import Target, digest, either, in_folder, on_bytes
from mutations import cells, jsons, lines, npy, one_of, raw, zips

sys.path += [str(Path(__file__).parents[1] / "nn")]

IDS = [f"clip {i}" for i in range(7)]


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {"clip_ids": np.array(IDS), "conv/block1": rng.normal(size=(7, 3, 5, 2)).astype(np.float32)}
    found |= {
        "units": rng.normal(size=(7, 4)).astype(np.float16),
        "conv/block1/hz": np.array([100.0, 300.0, 900.0]),
    }
    return found | {"conv/block1/time0_s": np.float64(0.01), "conv/block1/hop_s": np.float64(0.02)}


def make_arrays(folder: Path, kind: str) -> None:
    folder.mkdir(parents=True)
    values, path = arrays(), folder / f"given.{kind.split()[0]}"
    if kind == "npy":
        for name, value in values.items():
            (path / f"{name}.npy").parent.mkdir(parents=True, exist_ok=True)
            np.save(path / f"{name}.npy", value)
    elif kind.startswith("npz"):
        (np.savez_compressed if "deflated" in kind else np.savez)(path, **values)
    elif kind == "safetensors":
        write_safetensors(path, values)
    elif kind == "h5":
        write_hdf5(path, values)
    else:
        write_zarr(path, values, int(kind[-1]))


def write_safetensors(path: Path, values: dict[str, np.ndarray]) -> None:
    header, data = {"__metadata__": {"clip_ids": json.dumps(IDS)}}, b""
    for name, value in values.items():
        if name == "clip_ids" or value.ndim == 0:
            header["__metadata__"][name] = json.dumps(value.tolist())
            continue
        kind = {"float16": "F16", "float32": "F32", "float64": "F64"}[str(value.dtype)]
        places = [len(data), len(data) + value.nbytes]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": places}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_hdf5(path: Path, values: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        file["conv/block1"], file["units"] = values["conv/block1"], values["units"]
        file["clip_ids"] = IDS
        for key in ("time0_s", "hop_s", "hz"):
            file["conv/block1"].attrs[key] = values[f"conv/block1/{key}"]


def write_zarr(path: Path, values: dict[str, np.ndarray], zarr_format: int) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name in ("conv/block1", "units"):
        group.create_array(name, data=values[name], chunks=(2, *values[name].shape[1:]))
    group.attrs["clip_ids"] = IDS
    for key in ("time0_s", "hop_s", "hz"):
        group["conv/block1"].attrs[key] = np.asarray(values[f"conv/block1/{key}"]).tolist()


def given(folder: Path) -> Path:
    [path] = folder.glob("given.*")
    return path


def read_activations(folder: Path) -> str:
    from actjax.external.layers import open_activations

    found = open_activations(given(folder))
    rows = np.arange(len(found.clip_ids))
    return digest([np.asarray(found.clip_ids), *(layer.read(rows) for layer in found.layers)])


def make_features(folder: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    path = folder / f"given.{kind}"
    columns = {"clip_id": IDS, "pitch": np.arange(7.0).tolist(), "loud": [0.5, 1, 2, 3, 4, 5, 6]}
    if kind == "csv":
        rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(rows) + "\n")
    elif kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        series = np.random.default_rng(1).normal(size=(7, 2, 9)).astype(np.float32)
        about = {"series/hop_s": 0.1, "series/time0_s": 0.05, "series/row_names": ["a", "b"]}
        np.savez(path, clip_ids=np.array(IDS), scalar=np.arange(7.0), series=series, **about)


def read_features(folder: Path) -> str:
    from actjax.external.features import open_features
    from actjax.extraction import tabulated as given_lib

    found = open_features([str(given(folder))], IDS)
    values = [given_lib.values_and_validity(feature, np.arange(7)) for feature in found]
    return digest(side for sides in values for side in sides)


def make_image(folder: Path) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "mean.npy", np.zeros((96, 12), np.float32))


def read_image(folder: Path) -> Any:
    from actjax import setup
    from actjax.defaults import default_config

    config = default_config()
    config.frontend.subtract = str(folder / "mean.npy")
    return setup.make_frontend(config)


# Weights from Keras.

KERAS = ("han2016", (96, 64), {"widths": (2, 3, 4, 5), "embedding": 6})


def make_keras(folder: Path, kind: str) -> None:
    import test_keras

    folder.mkdir(parents=True)
    name, shape, hyper = KERAS
    layers = test_keras.entries(*test_keras.random_variables(name, shape, **hyper)[1:])
    if kind == "h5":
        test_keras.write_keras2(folder / "weights.h5", layers)
    else:
        test_keras.write_keras3(folder / f"weights.{kind}", layers, by_class=False)


def read_keras(folder: Path) -> str:
    import jax

    from actjax.nn.keras.importer import import_keras

    [path] = folder.glob("weights.*")
    name, shape, hyper = KERAS
    return digest(jax.tree.leaves(import_keras(path, name, shape, **hyper).variables))


def targets() -> dict[str, Target]:
    """Every kind of arrays, features and weights by name."""
    found = {}
    inner = one_of(raw, npy, npy)
    npz = on_bytes(raw, zips(inner), zips(inner))
    for kind, change, checked in (
        ("npz", npz, True),
        ("npz deflated", npz, True),
        ("npy", in_folder(on_bytes(raw, npy, npy)), False),
        ("safetensors", on_bytes(raw, mutations.safetensors), False),
        ("h5", either(on_bytes(raw), stores.hdf5, stores.hdf5), False),
        ("zarr 2", either(in_folder(on_bytes(raw)), stores.zarr, stores.zarr), False),
        ("zarr 3", either(in_folder(on_bytes(raw)), stores.zarr, stores.zarr), False),
    ):
        make = functools.partial(make_arrays, kind=kind)
        found[f"activations {kind}"] = Target("given.*", make, change, read_activations, checked)
    for kind, change, checked in (
        ("csv", on_bytes(raw, lines(cells), lines(cells)), False),
        ("parquet", either(on_bytes(raw), stores.parquet), False),
        ("npz", npz, True),
    ):
        make = functools.partial(make_features, kind=kind)
        found[f"features {kind}"] = Target("given.*", make, change, read_features, checked)
    found["input mean npy"] = Target("mean.npy", make_image, on_bytes(raw, npy), read_image)
    for kind, change in (
        ("h5", either(on_bytes(raw), stores.hdf5, stores.hdf5)),
        ("keras", on_bytes(raw, zips(one_of(raw, jsons, jsons)), zips(jsons))),
    ):
        make = functools.partial(make_keras, kind=kind)
        found[f"keras {kind}"] = Target("weights.*", make, change, read_keras, kind == "keras")
    return found
