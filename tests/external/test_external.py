"""Files from elsewhere: every format gives the same slices; what is unsafe or unfit is refused."""

import csv
import json
import zipfile

import h5py
import numpy as np
import pytest
import zarr

from actjax.external.features import open_features
from actjax.external.formats.arrays import open_arrays
from actjax.external.layers import open_activations
from actjax.external.properties import rows_of
from actjax.extraction import tabulated

RNG = np.random.default_rng(0)
IDS = [f"clip {i}" for i in range(7)]
MAPS = RNG.normal(size=(7, 3, 5, 2)).astype(np.float32)
UNITS = RNG.normal(size=(7, 4)).astype(np.float16)
HZ = np.array([100.0, 300.0, 900.0])


def arrays(**changes):
    found = {"clip_ids": np.array(IDS), "conv/block1": MAPS, "units": UNITS}
    found |= {"conv/block1/time0_s": np.float64(0.01), "conv/block1/hop_s": np.float64(0.02)}
    found |= {"conv/block1/hz": HZ} | changes
    return {name: value for name, value in found.items() if value is not None}


def write_folder(folder, values):
    for name, value in values.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, value)
    return folder


def write_safetensors(path, values):
    header, data = {"__metadata__": {}}, b""
    for name, value in values.items():
        value = np.asarray(value)
        if value.dtype.kind == "U" or value.ndim == 0:
            header["__metadata__"][name] = json.dumps(value.tolist())
            continue
        kind = {"float16": "F16", "float32": "F32", "float64": "F64"}[str(value.dtype)]
        header[name] = {
            "dtype": kind,
            "shape": value.shape,
            "data_offsets": [len(data), len(data) + value.nbytes],
        }
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def write_hdf5(path, values):
    with h5py.File(path, "w") as file:
        for name in ("conv/block1", "units"):
            file[name] = values[name]
        file["clip_ids"] = [str(i) for i in values["clip_ids"]]
        for key in ("time0_s", "hop_s", "hz"):
            file["conv/block1"].attrs[key] = values[f"conv/block1/{key}"]
    return path


def write_zarr(path, values, zarr_format):
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name in ("conv/block1", "units"):
        group.create_array(name, data=values[name], chunks=(2, *values[name].shape[1:]))
    group.attrs["clip_ids"] = values["clip_ids"].tolist()
    for key in ("time0_s", "hop_s", "hz"):
        group["conv/block1"].attrs[key] = np.asarray(values[f"conv/block1/{key}"]).tolist()
    return path


def save(folder, kind, **changes):
    values, path = arrays(**changes), folder / f"a{kind}"
    if kind == "folder":
        return write_folder(path, values)
    if kind == ".npz":
        np.savez(path, **values)
    elif kind == "compressed.npz":
        np.savez_compressed(path, **values)
    elif kind == ".safetensors":
        write_safetensors(path, values)
    elif kind == ".h5":
        write_hdf5(path, values)
    else:
        write_zarr(path, values, int(kind[1]))
    return path


@pytest.mark.parametrize(
    "kind", [".npz", "compressed.npz", "folder", ".safetensors", ".h5", "-2.zarr", "-3.zarr"]
)
def test_every_format_gives_the_same_slices(tmp_path, kind):
    found = open_activations(save(tmp_path, kind))
    assert list(found.clip_ids) == IDS
    by_name = {layer.name: layer for layer in found.layers}
    maps, units = by_name["conv/block1"], by_name["units"]
    assert (maps.time0_s, maps.hop_s, maps.field_s) == (0.01, 0.02, 0.02)
    np.testing.assert_array_equal(maps.hz, HZ)
    for rows in ([2, 3, 4], [0, 5, 6], [6, 1], [3], [0, 1, 2, 3, 4, 5, 6]):
        np.testing.assert_array_equal(maps.read(np.array(rows)), MAPS[rows])
        np.testing.assert_array_equal(units.read(np.array(rows)), UNITS[rows])
    assert units.hop_s is None and units.read(np.array([0])).dtype == np.float16


def test_a_single_npy_takes_what_lies_beside_it(tmp_path):
    folder = save(tmp_path, "folder", units=None)
    (folder / "conv/block1.npy").rename(folder / "maps.npy")
    (folder / "conv/block1").rename(folder / "maps")
    found = open_activations(folder / "maps.npy")
    assert [layer.name for layer in found.layers] == ["maps"] and found.layers[0].hop_s == 0.02


def test_layers_are_chosen_by_their_whole_name(tmp_path):
    path = save(tmp_path, ".npz")
    assert [layer.name for layer in open_activations(path, "conv/.*").layers] == ["conv/block1"]
    with pytest.raises(ValueError, match=r"score.layers = 'conv' matches no layer.*conv/block1, units"):
        open_activations(path, "conv")


def test_sequences_have_one_band(tmp_path):
    path = save(tmp_path, ".npz", **{"conv/block1": MAPS[:, 0], "conv/block1/hz": None})
    np.testing.assert_array_equal(open_activations(path).layers[0].read(np.array([1, 2])), MAPS[1:3, :1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_ids": None}, "has no clip_ids"),
        ({"clip_ids": np.arange(7)}, "clip_ids .* of str, got int64"),
        ({"clip_ids": np.array(["a", "a", *"bcdef"])}, "1 clip ids stand more than once: a"),
        ({"conv/block1/hop_s": None}, "lacks conv/block1/hop_s"),
        ({"conv/block1/hop_s": np.float64(-1.0)}, "one number of seconds in conv/block1/hop_s"),
        ({"conv/block1/hz": HZ[::-1]}, "conv/block1/hz as 3 rising frequencies"),
        ({"units": UNITS[:5]}, r"layer 'units' as \[7 clips.* got shape \[5, 4\]"),
        ({"units": UNITS.astype(str)}, "expected numbers in layer 'units'"),
        ({"units": np.array([[{}]] * 7, dtype=object)}, "'units' is pickled"),
        ({"clip_ids": np.array(IDS, dtype=object)}, "'clip_ids' is pickled"),
        ({"units": np.asfortranarray(np.ones((7, 4)))}, "Fortran order"),
    ],
)
@pytest.mark.parametrize("kind", [".npz", "folder"])
def test_what_does_not_fit_is_said_in_one_line(tmp_path, kind, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_activations(save(tmp_path, kind, **changes))
    assert "\n" not in str(caught.value)


class Bomb:
    """Its unpickling would be seen."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_pickled_arrays_are_never_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([Bomb()], dtype=object))
    np.savez(tmp_path / "x.npz", x=np.array([Bomb()], dtype=object))
    folder = tmp_path / "x.zarr" / "x"
    folder.mkdir(parents=True)
    (tmp_path / "x.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    about = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "filters": [{"id": "pickle"}]}
    (folder / ".zarray").write_text(
        json.dumps(about | {"compressor": None, "fill_value": None, "order": "C"})
    )
    for path in ("x.npy", "x.npz", "x.zarr"):
        with pytest.raises(ValueError, match="pickled .* never loaded"):
            open_arrays(tmp_path / path)


@pytest.mark.parametrize("name", ["../units.npy", "/units.npy", "a/../../units.npy", "c:\\units.npy"])
def test_entries_that_lead_out_of_an_archive_are_refused(tmp_path, name):
    np.save(tmp_path / "units.npy", UNITS)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "units.npy", "units.npy")
        archive.writestr(name, (tmp_path / "units.npy").read_bytes())
    with pytest.raises(ValueError, match="leads out of it: refused"):
        open_arrays(tmp_path / "a.npz")


def test_links_that_lead_out_are_refused(tmp_path):
    np.save(tmp_path / "secret.npy", UNITS)
    folder = save(tmp_path, "folder")
    (folder / "more.npy").symlink_to(tmp_path / "secret.npy")
    store = save(tmp_path, "-3.zarr")
    (store / "units" / "c" / "9").symlink_to(tmp_path / "secret.npy")
    with h5py.File(save(tmp_path, ".h5"), "a") as file:
        file["more"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
    for path in (folder, store, tmp_path / "a.h5"):
        with pytest.raises(ValueError, match="leads out of .*refused"):
            open_activations(path)


def test_broken_and_missing_files(tmp_path):
    for suffix in (".npz", ".safetensors", ".h5", ".npy"):
        (tmp_path / f"broken{suffix}").write_bytes(b"\x00" * 40)
        with pytest.raises(ValueError, match=f"broken{suffix}: cannot be read as a"):
            open_arrays(tmp_path / f"broken{suffix}")
    path = save(tmp_path, ".safetensors")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="should end at byte"):
        open_arrays(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_arrays(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match=r"expected .npz, .npy, .safetensors"):
        open_arrays(tmp_path / "broken.npz" if (tmp_path / "x.txt").write_text("") else tmp_path / "x.txt")


def test_clip_ids_are_matched_by_name():
    np.testing.assert_array_equal(rows_of("f", ["a", "b", "c", "z"], ["c", "a"]), [2, 0])
    wanted = [f"w{i}" for i in range(6)]
    with pytest.raises(
        ValueError, match=r"f: lacks 5 of the 6 clips of the split: w1, w2, w3; 2 of its .*: x, y"
    ):
        rows_of("f", ["x", "y", "w0"], wanted)


def test_tables_are_features_with_a_row_a_column(tmp_path):
    table = {"clip_id": IDS, "valence": [f"{i}.5" for i in range(7)], "arousal": ["", *"123456"]}
    with open(tmp_path / "mood.csv", "w", newline="") as file:
        csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
    [feature] = open_features([tmp_path / "mood.csv"], [IDS[3], IDS[0]])
    assert (feature.name, feature.row_names, feature.hop_samples) == ("mood", ("valence", "arousal"), None)
    values, valid = tabulated.values_and_validity(feature, np.array([1, 0]))
    np.testing.assert_array_equal(values[:, :, 0], [[0.5, np.nan], [3.5, 3.0]])
    assert valid.all()

    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"clip_id": IDS, "x": np.arange(7.0)}), tmp_path / "t.parquet")
    [feature] = open_features([tmp_path / "t.parquet"], IDS)
    np.testing.assert_array_equal(feature.of_clips(np.array([5, 2]))[:, 0, 0], [5.0, 2.0])
    (tmp_path / "bad.csv").write_text("clip_id,x\n" + "".join(f"{i},loud\n" for i in IDS))
    with pytest.raises(ValueError, match="expected numbers in column 'x'"):
        open_features([tmp_path / "bad.csv"], IDS)


def test_arrays_are_features_with_frames(tmp_path):
    series = RNG.normal(size=(7, 2, 9)).astype(np.float32)
    series[4, 1, 3] = np.nan
    np.savez(
        tmp_path / "f.npz", clip_ids=np.array(IDS), mood=series, single=np.arange(7.0),
        **{"mood/hop_s": 0.1, "mood/time0_s": 0.05, "mood/hz": [10.0, 20.0]},
    )  # fmt: skip
    mood, single = open_features([tmp_path / "f.npz"], IDS)
    assert mood.hop_samples / mood.sample_rate_hz == 0.1 and mood.centres_hz == (10.0, 20.0)
    values, valid = tabulated.values_and_validity(mood, np.array([4, 0]))
    assert not valid[0, 3] and valid.sum() == 17 and np.isfinite(values).all()
    np.testing.assert_array_equal(values[1], series[0])
    assert single.rows == 1 and single.frames == 1
    with pytest.raises(ValueError, match="looked up by clip"):
        mood.fn(np.zeros(10))
