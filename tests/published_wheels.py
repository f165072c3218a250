"""Writes TensorFlow checkpoints and the wheel of musicnn, from the descriptions of their formats."""

import struct
import zipfile

import google_crc32c
import numpy as np

FOLDER = "musicnn/MTT_musicnn"
NORM = {"gamma": (0.5, 2), "beta": (-1, 1), "moving_mean": (-1, 1), "moving_variance": (0.5, 2)}


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def block(entries):
    """A LevelDB block, whose keys leave out what they share with the one before."""
    out, before = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), None)
        shared = min(len(key), len(before)) if shared is None else shared
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    out += struct.pack("<II", 0, 1)
    return out, out + b"\0" + masked(out + b"\0")


def checkpoint(arrays):
    """(index, data) of a TensorFlow checkpoint, written from the format's description."""
    data, entries = b"", [(b"", field(1, 1))]
    for name, array in sorted(arrays.items()):
        raw = array.astype("<f4").tobytes()
        shape = b"".join(field(2, field(1, n)) for n in array.shape)
        entry = field(1, 1) + field(2, shape) + field(4, len(data)) + field(5, len(raw))
        entries.append((name.encode(), entry + varint(6 << 3 | 5) + masked(raw)))
        data += raw
    half = len(entries) // 2
    index, handles = b"", []
    for some in (entries[:half], entries[half:]):
        content, whole = block(some)
        handles.append((some[-1][0], varint(len(index)) + varint(len(content))))
        index += whole
    at = len(index)
    content, whole = block(handles)
    footer = varint(0) + varint(0) + varint(at) + varint(len(content))
    return index + whole + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


def weights(seed=0, **changes):
    """name -> array of a musicnn, of random numbers."""
    rng, arrays = np.random.default_rng(seed), {}
    shapes = {"conv2d": (7, 38, 1, 204), "conv2d_1": (7, 67, 1, 204), "conv2d_5": (7, 561, 1, 64)}
    shapes |= {f"conv2d_{i}": (n, 1, 1, 51) for i, n in ((2, 128), (3, 64), (4, 32))}
    shapes |= {f"conv2d_{i}": (7, 64, 1, 64) for i in (6, 7)} | {"dense": (1506, 200), "dense_1": (200, 50)}
    for name, shape in shapes.items():
        fan = np.prod(shape[:-1])
        arrays[f"{name}/kernel"] = rng.normal(size=shape) / np.sqrt(fan)
        arrays[f"{name}/bias"] = rng.normal(size=shape[-1]) * 0.3
    widths = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)
    for i, width in enumerate(widths):
        scope = "batch_normalization" + (f"_{i}" if i else "")
        for name, low, high in (
            ("gamma", 0.5, 2),
            ("beta", -1, 1),
            ("moving_mean", -1, 1),
            ("moving_variance", 0.5, 2),
        ):
            arrays[f"{scope}/{name}"] = rng.uniform(low, high, width)
    arrays = {
        name: np.asarray(array, np.float32) for name, array in (arrays | changes).items() if array is not None
    }
    return arrays


def write_wheel(path, arrays, version="0.1.0", broken=None):
    index, data = checkpoint(arrays)
    if broken == "data":
        data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    if broken == "index":
        index = index[:20] + bytes([index[20] ^ 1]) + index[21:]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr(f"musicnn-{version}.dist-info/METADATA", f"Name: musicnn\nVersion: {version}\n")
        file.writestr(f"{FOLDER}/.index", index)
        file.writestr(f"{FOLDER}/.data-00000-of-00001", data)
    return path
