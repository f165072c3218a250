"""Files made to do harm, or damaged: each ends in one line that names it, and runs no code."""

import io
import json
import os
import pickle
import re
import struct
import sys
import time
import zipfile

import h5py
import numpy as np
import pytest
import zarr
from launching import finish, start

from actjax import lookup
from actjax.external.features import open_features
from actjax.external.formats import codecs
from actjax.external.formats.arrays import open_arrays
from actjax.external.layers import open_activations
from actjax.files import FileError

IDS = list("abcdef")
UNITS = np.arange(30, dtype=np.float32).reshape(6, 5)


def refused(path, match, **options):
    """Asserts one line that begins with the file's path."""
    with pytest.raises(FileError, match=match) as caught:
        open_activations(path, say=lambda _: None, **options)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path.parent))


def hdf5(path, make):
    with h5py.File(path, "w") as file:
        file["clip_ids"], file["l"] = np.array(IDS, "S1"), UNITS
        make(file)
    return path


def zarr_2(path, **changes):
    """A group of one array whose metadata are changed by hand, without anything that would encode it."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs["clip_ids"] = IDS
    group.create_array("l", data=UNITS, chunks=(2, 5), compressors=None)
    about = json.loads((path / "l/.zarray").read_text()) | changes
    (path / "l/.zarray").write_text(json.dumps(about))
    return path


def test_many_strings_that_point_to_one_are_refused(tmp_path):
    """401 references of 16 bytes each to one string of 8 kB: 3.2 MB from 43 kB."""
    path = tmp_path / "a.h5"
    names = ["long" * 2_000, *(f"n{i:03d}" for i in range(400))]
    with h5py.File(path, "w") as file:
        file["clip_ids"], file["l"] = np.array(IDS, "S1"), UNITS
        file.attrs.create("names", names, dtype=h5py.string_dtype())
    data = bytearray(path.read_bytes())
    first = data.find(struct.pack("<IQ", 8_000, data.find(b"GCOL")))
    data[first + 16 : first + 16 * 401] = bytes(data[first : first + 16]) * 400
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert {len(name) for name in file.attrs["names"]} == {8_000}, "forged"
    with pytest.raises(FileError, match=r"a\.h5: its attribute 'names' may be too large"):
        open_arrays(path, bound=2**20)[1]["names"]


def test_many_names_in_a_large_file_are_read(tmp_path):
    path = tmp_path / "a.h5"
    names = [f"layer{i}" for i in range(300)]
    with h5py.File(path, "w") as file:
        file["l"] = np.zeros(10**6, np.float32)
        file.attrs.create("names", names, dtype=h5py.string_dtype())
    assert open_arrays(path, bound=2**24)[1]["names"].tolist() == names


def test_names_of_properties_are_layers_where_they_describe_nothing(tmp_path):
    path, hop = tmp_path / "a.npz", {"maps/hop_s": 0.1, "maps/time0_s": 0.0, "maps/hz": [1.0, 2.0, 3.0]}
    maps = np.ones((6, 3, 4, 2), np.float32)
    names = {"conv:0": UNITS, "res/unit": UNITS, "net/depth": UNITS, "hz": UNITS, "maps/unit": UNITS}
    np.savez(path, clip_ids=np.array(IDS), maps=maps, **names, **hop)
    found = open_activations(path).layers
    assert sorted(layer.name for layer in found) == sorted([*names, "maps"])
    assert next(layer for layer in found if layer.name == "maps").hop_s == 0.1
    np.savez(path, clip_ids=np.array(IDS), conv=UNITS, **{"con/hop_s": 0.1})
    refused(path, "there is no layer 'con' that it could describe")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda f: f.__setitem__("z", h5py.SoftLink("/nowhere")), "'z' is a link to '/nowhere'.* nothing is"),
        (lambda f: f.__setitem__("z", h5py.SoftLink("/z")), "'z' is a link to '/z'"),
        (lambda f: f.create_group("g").__setitem__("up", f["/"]), "'g/up' lies in itself"),
        (lambda f: f.__setitem__("e", h5py.Empty("f4")), "'e' is empty"),
        (lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "l")), "'x' that leads out of it"),
        (lambda f: f.create_dataset("n", (6, 5), "f4", chunks=(1, 5)), "6 of the 6 chunks of 'n' were never"),
        (lambda f: f.create_dataset("n", (6, 5), "f4"), "1 of the 1 chunks of 'n' were never written"),
        (lambda f: f.create_dataset("r", (6, 5), h5py.ref_dtype), "'r' is pickled"),
        (lambda f: f.create_dataset("v", (6, 5), h5py.vlen_dtype(np.float32)), "'v' is pickled"),
        (lambda f: f.create_dataset("s", data=UNITS, scaleoffset=2, chunks=(1, 5)), "is filtered by"),
        (
            lambda f: f.create_dataset("o", (6, 5), "f4", external=[("raw.bin", 0, h5py.h5f.UNLIMITED)]),
            "'o' in another file",
        ),
    ],
)
def test_what_an_hdf5_file_may_not_hold(tmp_path, make, match):
    refused(hdf5(tmp_path / "a.h5", make), match)


def test_links_inside_an_hdf5_file_are_followed(tmp_path):
    def make(file):
        file["g/m"] = UNITS + 1
        file["s"] = h5py.SoftLink("g/m")
        file["to"] = h5py.SoftLink("/out/l")
        del file["to"]

    found = {one.name: one for one in open_activations(hdf5(tmp_path / "a.h5", make)).layers}
    np.testing.assert_array_equal(found["s"].read(np.arange(6)), UNITS + 1)

    def lead_out(file):
        file["out"] = h5py.ExternalLink(str(tmp_path / "a.h5"), "/")
        file["a"] = h5py.SoftLink("/out/l")

    refused(hdf5(tmp_path / "b.h5", lead_out), "leads out of it")


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "lzf"}, {}])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fletcher32", [False, True])
def test_filtered_hdf5_chunks_are_the_librarys(tmp_path, options, shuffle, fletcher32):
    rng, path = np.random.default_rng(0), tmp_path / "a.h5"
    values = rng.normal(size=(6, 5, 7)) * (rng.random((6, 5, 7)) > 0.5)
    kinds = {"f8": values, "i2": values * 9, "b": values > 0, "f2": values}
    with h5py.File(path, "w") as file:
        for kind, array in kinds.items():
            dtype = "?" if kind == "b" else kind
            file.create_dataset(
                kind,
                data=array.astype(dtype),
                chunks=(4, 2, 7),
                shuffle=shuffle,
                fletcher32=fletcher32,
                **options,
            )
    arrays, _ = open_arrays(path)
    for kind, array in kinds.items():
        expected = array.astype("?" if kind == "b" else kind)
        np.testing.assert_array_equal(arrays[kind].all(2**20), expected)
        np.testing.assert_array_equal(arrays[kind].rows(np.array([1, 2, 5])), expected[[1, 2, 5]])


def test_a_wrong_checksum_of_an_hdf5_chunk_is_found(tmp_path):
    path = hdf5(
        tmp_path / "a.h5", lambda f: f.create_dataset("m", data=UNITS, chunks=(6, 5), fletcher32=True)
    )
    with h5py.File(path) as file:
        place = file["m"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 9] ^= 1
    path.write_bytes(data)
    layer = next(one for one in open_activations(path).layers if one.name == "m")
    with pytest.raises(FileError, match=r"a.h5: .*chunk \[0, 0\].*checksum"):
        layer.read(np.arange(6))


class Planter:
    """Its unpickling makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("where", ["compressor", "filters", ".zmetadata compressor", ".zmetadata filters"])
def test_no_codec_of_a_zarr_2_array_unpickles(tmp_path, where):
    planted, key = tmp_path / "planted", where.rpartition(" ")[2]
    codec = {"id": "pickle", "protocol": 5}
    changes = {
        "dtype": "|O",
        key: codec if key == "compressor" else [codec],
        "chunks": [6, 5],
        "fill_value": 0,
    }
    consolidated = where.startswith(".zmetadata")
    path = zarr_2(tmp_path / "a.zarr", **({} if consolidated else changes))
    if consolidated:
        own = json.loads((path / "l/.zarray").read_text()) | changes
        about = {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, "l/.zarray": own}}
        (path / ".zmetadata").write_text(json.dumps(about))
    (path / "l/0.0").write_bytes(pickle.dumps(Planter(planted)))
    refused(path, "'l' is pickled")
    assert not planted.exists()
    # The payload is a real one.
    pickle.loads((path / "l/0.0").read_bytes()).close()
    assert planted.exists()


@pytest.mark.parametrize("where", ["codecs", "sharding", "consolidated", "type"])
def test_no_codec_of_a_zarr_3_array_is_unknown(tmp_path, where):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    group.attrs["clip_ids"] = IDS
    group.create_array("l", data=UNITS, chunks=(2, 5), shards=(4, 5) if where == "sharding" else None)
    about = json.loads((path / "l/zarr.json").read_text())
    pickled = {"name": "numcodecs.pickle", "configuration": {}}
    if where == "sharding":
        about["codecs"][0]["configuration"]["codecs"].append(pickled)
    elif where == "type":
        about["data_type"] = {"name": "numpy.object"}
    else:
        about["codecs"].append(pickled)
    if where == "consolidated":
        root = json.loads((path / "zarr.json").read_text())
        root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {"l": about}}
        (path / "zarr.json").write_text(json.dumps(root))
    else:
        (path / "l/zarr.json").write_text(json.dumps(about))
    refused(path, "numpy.object" if where == "type" else "'numcodecs.pickle', which is refused; known: bytes")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("codec", [None, "zlib", "gzip", "bz2", "lzma", "blosc", "zstd", "lz4"])
def test_zarr_chunks_are_the_librarys(tmp_path, zarr_format, codec):
    import numcodecs

    values = np.random.default_rng(0).normal(size=(6, 5, 3)).round(1)
    path, made = tmp_path / "a.zarr", {}
    if zarr_format == 2:
        compressor = None if codec is None else numcodecs.get_codec({"id": codec})
    elif codec in (None, "gzip", "zstd", "blosc"):
        classes = {"gzip": "GzipCodec", "zstd": "ZstdCodec", "blosc": "BloscCodec"}
        compressor = None if codec is None else getattr(zarr.codecs, classes[codec])()
    else:
        pytest.skip("no codec of format 3")
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name, dtype in (("f", "<f4"), ("b", ">f8"), ("i", "<i2"), ("t", "?")):
        made[name] = (values * 10).astype(dtype)
        group.create_array(name, data=made[name], chunks=(4, 2, 3), compressors=compressor)
    if zarr_format == 2:
        made["o"] = values.astype("<f4")
        group.create_array("o", data=made["o"], chunks=(2, 5, 3), order="F", compressors=compressor)
    else:
        made["s"] = values.astype("<f4")
        group.create_array("s", data=made["s"], chunks=(1, 5, 3), shards=(4, 5, 3), compressors=compressor)
    arrays, _ = open_arrays(path)
    for name, expected in made.items():
        np.testing.assert_array_equal(arrays[name].all(2**20), expected)
        for rows in ([0], [3, 4, 5], [5, 0]):
            np.testing.assert_array_equal(arrays[name].rows(np.array(rows)), expected[rows])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_strings_are_clip_ids(tmp_path, zarr_format):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format)
    group.create_array("l", data=UNITS, chunks=(3, 5))
    ids = group.create_array("clip_ids", shape=(6,), dtype=str, chunks=(4,))
    ids[:] = np.array(["é" * i + "x" for i in range(6)], dtype=object)
    assert open_activations(tmp_path / "a.zarr").clip_ids == tuple("é" * i + "x" for i in range(6))


def test_zarr_chunks_never_written_are_no_zeros(tmp_path):
    group = zarr.open_group(str(tmp_path / "half.zarr"), mode="w")
    group.attrs["clip_ids"] = IDS
    half = group.create_array("l", shape=(6, 5), dtype="f4", chunks=(1, 5))
    half[:3] = UNITS[:3] + 1
    refused(tmp_path / "half.zarr", "3 of the 6 chunks of 'l' were never written")
    del group["l"]
    undefined = group.create_array("l", shape=(6, 5), dtype="f4", chunks=(1, 5), fill_value=np.nan)
    undefined[:3] = UNITS[:3] + 1
    [layer] = open_activations(tmp_path / "half.zarr").layers
    found = layer.read(np.arange(6))
    np.testing.assert_array_equal(found[:3], UNITS[:3] + 1)
    assert np.isnan(found[3:]).all()


@pytest.mark.parametrize("codec", sorted(codecs.DECODERS))
def test_a_chunk_makes_no_more_than_it_should(codec):
    import numcodecs

    packed = bytes(numcodecs.get_codec({"id": codec}).encode(bytes(50_000_000)))
    for data, size in ((packed, 4096), (packed[: len(packed) // 2], 50_000_000)):
        with pytest.raises((ValueError, RuntimeError, EOFError, OSError)):
            codecs.decompress(codec, data, size, size)
    assert codecs.decompress(codec, packed, 50_000_000, 50_000_000) == bytes(50_000_000)


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_of_an_archive_is_never_scored(tmp_path, save):
    path, values = tmp_path / "a.npz", np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    save(path, clip_ids=np.array(IDS), l=values)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("l.npy")
    places = np.linspace(info.header_offset + 60, info.header_offset + info.compress_size, 12).astype(int)
    for place in places:
        path.write_bytes(whole)
        flipped(path, place)
        refused(path, "cannot be read as|is no|should end")


def test_an_archive_holds_what_its_directory_can(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, clip_ids=np.array(IDS), l=UNITS)
    data = bytearray(path.read_bytes())
    # The directory's length, in its end record.
    data[-10:-6] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "cannot be read as a zip archive")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("l.npy", b"x")
    refused(path, "neither stored nor deflated")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (6, 10**6)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("l.npy", header.getvalue())
    refused(path, "'l' should end at byte 24000128 of its entry, which has 128")


def test_pipes_and_devices_are_not_opened(tmp_path):
    for name in ("x.npy", "x.npz", "x.safetensors", "x.h5", "x.csv"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(FileError, match=f"{name}: expected a regular file"):
            (open_features([tmp_path / name], IDS) if name.endswith("csv") else open_arrays(tmp_path / name))
    group = zarr_2(tmp_path / "a.zarr")
    os.mkfifo(group / "l" / "9.9")
    refused(group, "expected a regular file")


def test_safetensors_do_not_overlap_or_repeat(tmp_path):
    def write(text):
        (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode() + bytes(48))

    entry = '{"dtype": "F32", "shape": [6, 1], "data_offsets": [%d, %d]}'
    about = '"__metadata__": {"clip_ids": "[]"}'
    write(f'{{{about}, "a": {entry % (0, 24)}, "b": {entry % (20, 44)}}}')
    refused(tmp_path / "a.safetensors", "'a' and 'b' overlap")
    write(f'{{{about}, "a": {entry % (0, 24)}, "a": {entry % (24, 48)}}}')
    refused(tmp_path / "a.safetensors", "'a' stands twice")
    write("[" * 10_000)
    refused(tmp_path / "a.safetensors", "cannot be read as a .safetensors file")


BOMB = """
import re, sys
from actjax.external.layers import open_activations
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
for path in sys.argv[1:]:
    try:
        open_activations(path)
        print("opened", path)
    except ValueError as error:
        print(error)
print(before / 1024, peak() / 1024)
"""


def test_fifty_million_units_in_a_small_file_take_no_memory(tmp_path):
    units, paths = (6, 50_000_000), [tmp_path / f"a.{kind}" for kind in ("npz", "h5", "zarr")]
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": units})
    with zipfile.ZipFile(paths[0], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        ids = io.BytesIO()
        np.save(ids, np.array(IDS))
        archive.writestr("clip_ids.npy", ids.getvalue())
        with archive.open("l.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(300):
                member.write(bytes(1_000_000))
    hdf5(paths[1], lambda f: f.create_dataset("m", units, "u1", chunks=(1, 10**6), compression="gzip"))
    zarr_2(paths[2], shape=units, chunks=units)
    started = time.perf_counter()
    out, _ = finish(start(*paths, program=["-c", BOMB]))
    *lines, memory = out.splitlines()
    before, after = map(float, memory.split())
    assert [line.split(": ")[0] for line in lines] == list(map(str, paths)), lines
    assert after < 300 and after - before < 50 and time.perf_counter() - started < 30
    assert sum(path.stat().st_size for path in paths[:2]) < 6 * 2**20


def test_what_is_read_at_once_is_held_against_the_bound(tmp_path):
    np.savez(tmp_path / "a.npz", clip_ids=np.array(IDS), l=np.ones((6, 2000), np.float32))
    refused(tmp_path / "a.npz", r"6 entries of 'l', float32 of shape \[6, 2000\], need .* GiB", bound=40_000)
    assert open_activations(tmp_path / "a.npz", bound=4_000_000, at_once=1).layers
    refused(tmp_path / "a.npz", "'l' has 2000 neurons, more than", bound=1_000_000)


def test_layers_in_float64_keep_their_differences(tmp_path):
    said, values = [], UNITS.astype(np.float64) / 100
    values[:, :2] += 2e9
    np.savez(tmp_path / "a.npz", clip_ids=np.array(IDS), l=values)
    [layer] = open_activations(tmp_path / "a.npz", say=said.append).layers
    expected = values - [2e9, 2e9 + 0.01, 0, 0, 0]
    np.testing.assert_allclose(layer.read(np.arange(6)), expected, atol=1e-6)
    assert len(said) == 1 and "2 channels of 'l' less their first value, 2e+09 say" in said[0]
    np.savez(tmp_path / "b.npz", clip_ids=np.array(IDS), l=UNITS.astype(np.float64) * 1e38)
    with pytest.raises(FileError, match="'l' holds values beyond the range of float32"):
        open_activations(tmp_path / "b.npz").layers[0].read(np.arange(6))


@pytest.mark.parametrize("name", sorted(lookup.EXTRAS))
def test_a_missing_package_names_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        lookup.package(name, "reading this")
    extra = lookup.EXTRAS[name]
    assert str(caught.value) == f"reading this needs the package {name}: pip install 'actjax[{extra}]'"
    with open("pyproject.toml") as file:
        assert re.search(rf"^{extra} = ", file.read(), re.MULTILINE)
