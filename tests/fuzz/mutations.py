"""Damages and forges files: bytes, JSON, tables, zip archives, and the headers of each format.

Every mutation is a function `(rng, data) -> data`. It may raise `Unfit` where the data give it nothing to
change; another is then drawn.
"""

import ast
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Mutation = Callable[[np.random.Generator, bytes], bytes]
EXTREMES = (
    0,
    1,
    2,
    3,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
HOSTILE = (
    "",
    " ",
    "x" * 70_000,
    "\x00",
    "\x1b[2Jred\x1b[31m",
    "a\nb",
    "../../escaped",
    "../escaped.npy",
    "/escaped",
    "..\\escaped",
    "\ud800",
    "\u202egnp",
    "nan",
    "inf",
    "-1",
    "1e400",
    "1" * 5000,
    "é",
    "<script>alert(1)</script>",
    "C:",
    ".",
    "..",
    "a" * 300 + ".wav",
    "%s%n",
    "{0.__class__}",
)
VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    10**400,
    -(10**400),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
    [],
    {},
    [[]],
    [None],
    {"": None},
    [1, 2, 3],
    [[1, [2, [3]]]],
    {"a": {"b": []}},
    *HOSTILE,
)


class Unfit(Exception):
    """The data have nothing that this mutation changes."""


def choose(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of the options, themselves untouched by NumPy."""
    if not options:
        raise Unfit
    return options[int(rng.integers(len(options)))]


def one_of(*mutations: Mutation) -> Mutation:
    """Draws among mutations until one changes the data."""

    def mutate(rng: np.random.Generator, data: bytes) -> bytes:
        for _ in range(50):
            try:
                changed = choose(rng, mutations)(rng, data)
            except Unfit:
                continue
            if changed != data:
                return changed
        return data + b"\0"

    return mutate


def flips(rng: np.random.Generator, data: bytes) -> bytes:
    """Flips one to eight bits; half the time near the beginning or the end, where headers are."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        out[_place(rng, len(data))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def truncated(rng: np.random.Generator, data: bytes) -> bytes:
    """Ends too early."""
    return data[: _place(rng, len(data))]


def removed(rng: np.random.Generator, data: bytes) -> bytes:
    """Lacks a stretch."""
    start, stop = _stretch(rng, len(data))
    return data[:start] + data[stop:]


def duplicated(rng: np.random.Generator, data: bytes) -> bytes:
    """Has a stretch twice."""
    start, stop = _stretch(rng, len(data))
    return data[:stop] + data[start:]


def zeroed(rng: np.random.Generator, data: bytes) -> bytes:
    """Has zeros in place of a stretch, as after a crash."""
    start, stop = _stretch(rng, len(data))
    return data[:start] + bytes(stop - start) + data[stop:]


def inserted(rng: np.random.Generator, data: bytes) -> bytes:
    """Has random bytes somewhere."""
    place = _place(rng, len(data))
    return data[:place] + rng.bytes(int(rng.integers(1, 40))) + data[place:]


def extreme(rng: np.random.Generator, data: bytes) -> bytes:
    """Has an integer of 1, 2, 4 or 8 bytes at an extreme, either byte order."""
    size = choose(rng, (1, 2, 4, 8))
    if len(data) <= size:
        raise Unfit
    place = min(_place(rng, len(data)), len(data) - size)
    order = choose(rng, ("little", "big"))
    value = (choose(rng, EXTREMES) & (256**size - 1)).to_bytes(size, order)
    return data[:place] + value + data[place + size :]


def something_else(rng: np.random.Generator, data: bytes) -> bytes:
    """Is another format, or nothing, under this name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", b"\x80\x04N.")
    others = (
        b"",
        b"\n",
        b"hello",
        b"\x80\x04N.",
        b"PK\x05\x06" + bytes(18),
        archive.getvalue(),
        b"\x89HDF\r\n\x1a\n",
        b"\x93NUMPY",
        b"RIFF",
        b"fLaC",
        b"PAR1PAR1",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b'"x"',
        b"\xff\xfe" + data[:50],
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xef\xbb\xbf{}",
        bytes(5000),
    )
    return choose(rng, others)


raw = one_of(flips, flips, truncated, removed, duplicated, zeroed, inserted, extreme, extreme, something_else)
checked_bytes = one_of(flips, truncated, zeroed)


def jsons(rng: np.random.Generator, data: bytes) -> bytes:
    """Has another value, key or shape somewhere in its JSON."""
    return json_text(changed_json(rng, parsed(data))).encode("utf-8", "surrogatepass")


def parsed(data: bytes) -> Any:
    """The JSON value of data that hold one."""
    try:
        return json.loads(data)
    except ValueError:
        raise Unfit from None


def json_text(value: Any) -> str:
    """JSON; Python alone refuses to write whole numbers of more than 4,300 digits."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:
        raise Unfit from None


def changed_json(rng: np.random.Generator, value: Any) -> Any:
    """A copy with one to three nodes replaced, removed, renamed or nested."""
    value = json.loads(json.dumps(value))
    for _ in range(int(rng.integers(1, 4))):
        places = list(_nodes(value))
        if not places or rng.random() < 0.03:
            return choose(rng, VALUES)
        holder, key = choose(rng, places)
        how = choose(rng, ("replace", "replace", "replace", "remove", "rename", "nest", "scale", "repeat"))
        if how == "remove":
            del holder[key]
        elif how == "rename" and isinstance(holder, dict):
            holder[str(choose(rng, HOSTILE))] = holder.pop(key)
        elif how == "nest":
            for _ in range(choose(rng, (1, 3, 400))):
                holder[key] = [holder[key]]
        elif how == "scale" and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = holder[key] * choose(rng, (-1, 0, 10, 10**6, 10**12, 0.5))
        elif how == "repeat" and isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[key] = choose(rng, VALUES)
    return value


def lines(change: Mutation) -> Mutation:
    """Changes one line, or removes, repeats or swaps some."""

    def mutate(rng: np.random.Generator, data: bytes) -> bytes:
        rows = data.split(b"\n")
        at = int(rng.integers(len(rows)))
        how = choose(rng, ("change", "change", "change", "remove", "repeat", "swap"))
        if how == "change":
            rows[at] = change(rng, rows[at])
        elif how == "remove":
            del rows[at]
        elif how == "repeat":
            rows.insert(at, rows[at])
        else:
            other = int(rng.integers(len(rows)))
            rows[at], rows[other] = rows[other], rows[at]
        return b"\n".join(rows)

    return mutate


def cells(rng: np.random.Generator, row: bytes) -> bytes:
    """Has another value in a cell of a comma table, one cell more or one less."""
    parts = row.split(b",")
    at = int(rng.integers(len(parts)))
    how = choose(rng, ("replace", "replace", "repeat", "remove", "quote"))
    if how == "replace":
        value = choose(rng, (*HOSTILE, "y" * 140_000, "1e999", "-0.0", "0", "1e-320", "true"))
        parts[at] = str(value).encode("utf-8", "surrogatepass")
    elif how == "repeat":
        parts.insert(at, parts[at])
    elif how == "remove":
        del parts[at]
    else:
        parts[at] = b'"' + parts[at]
    return b",".join(parts)


def npy(rng: np.random.Generator, data: bytes) -> bytes:
    """Has another shape, type or order in the header of a .npy."""
    if not data.startswith(b"\x93NUMPY") or len(data) < 12:
        raise Unfit
    length = struct.unpack("<H", data[8:10])[0]
    try:
        header = ast.literal_eval(data[10 : 10 + length].decode("latin1"))
        shape = list(header["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError):
        raise Unfit from None
    how = choose(rng, ("shape", "shape", "descr", "key", "order"))
    if how == "shape":
        sizes = (
            0,
            -1,
            1,
            2**31,
            2**40,
            2**63,
            2**64,
            10**30,
            0.5,
            True,
            None,
            "7",
            (),
            50_000_000,
            shape[:1],
        )
        at = int(rng.integers(len(shape) + 1))
        shape[at : at + int(rng.integers(2))] = [choose(rng, sizes)]
        header["shape"] = choose(rng, (tuple(shape), tuple(shape), tuple(shape[::-1]), shape, shape[0], None))
    elif how == "descr":
        kinds = (
            "|O",
            "O",
            "<f16",
            "<c8",
            "<M8[s]",
            "<m8",
            "|V0",
            "|V8",
            "<U0",
            "<U99999999",
            "|S1",
            ">f4",
            "<f3",
            "",
            "f4,f4",
            [("a", "<f4")],
            [("a", "|O")],
            [],
            None,
            7,
            ["<f4"],
            ("<f4", (2,)),
            "<i8",
            "|b1",
            [("a", [("b", "<f4")])],
            "<f4" * 40,
        )
        header["descr"] = choose(rng, kinds)
    elif how == "key":
        header.pop(choose(rng, list(header)))
    else:
        header["fortran_order"] = choose(rng, (True, 1, None, "yes", []))
    text = repr(header).encode("latin1", "replace")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return data[:8] + struct.pack("<H", len(text)) + text + data[10 + length :]


def zips(member: Mutation) -> Mutation:
    """Changes an entry of an archive, checksum and all, or its names, or what it says of itself."""

    def mutate(rng: np.random.Generator, data: bytes) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                infos = [
                    (info.filename, info.compress_type, archive.read(info)) for info in archive.infolist()
                ]
        except (zipfile.BadZipFile, ValueError, OSError):
            raise Unfit from None
        at = int(rng.integers(len(infos)))
        name, method, content = infos[at]
        how = choose(
            rng, ("entry", "entry", "entry", "name", "remove", "repeat", "deflate", "field", "zeros")
        )
        if how == "entry":
            infos[at] = (name, method, member(rng, content))
        elif how == "name":
            other = choose(
                rng,
                (
                    "../../escaped.npy",
                    "/escaped.npy",
                    "x",
                    "x/",
                    "",
                    "\x1b[2J.npy",
                    "é.npy",
                    "a:b.npy",
                    name * 2,
                    "clip_ids.npy",
                    "__skipped__.npy",
                    "con\\..\\..\\x.npy",
                ),
            )
            infos[at] = (other, method, content)
        elif how == "remove":
            del infos[at]
        elif how == "repeat":
            infos.append((name, method, infos[int(rng.integers(len(infos)))][2]))
        elif how == "deflate":
            infos[at] = (name, choose(rng, (8, 12, 14)), content)
        elif how == "zeros":
            # A few kilobytes that unpack to many megabytes.
            infos[at] = (name, 8, content + bytes(64 * 2**20))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for own, kind, inner in infos:
                info = zipfile.ZipInfo(own or "-")
                info.compress_type = kind
                if len({i[0] for i in infos}) < len(infos):
                    archive.NameToInfo.clear()  # a name may occur twice, without the warning
                archive.writestr(info, inner)
        return _zip_field(rng, out.getvalue()) if how == "field" else out.getvalue()

    return mutate


def _zip_field(rng: np.random.Generator, data: bytes) -> bytes:
    """Changes one field of one header: sizes, checksum, method, flags, offsets."""
    heads = [(b"PK\x03\x04", (4, 6, 8, 14, 18, 22, 26, 28)), (b"PK\x01\x02", (8, 10, 16, 20, 24, 28, 30, 42))]
    magic, fields = choose(rng, heads)
    places = [i for i in range(len(data) - 46) if data.startswith(magic, i)]
    place = choose(rng, places) + choose(rng, fields)
    value = (choose(rng, EXTREMES) & 0xFFFFFFFF).to_bytes(4, "little")[: choose(rng, (2, 4))]
    return data[:place] + value + data[place + len(value) :]


def safetensors(rng: np.random.Generator, data: bytes) -> bytes:
    """Has another header, or another length of it."""
    length = int.from_bytes(data[:8], "little")
    if rng.random() < 0.2:
        return choose(rng, EXTREMES).to_bytes(8, "little") + data[8:]
    text = json_text(changed_json(rng, parsed(data[8 : 8 + length]))).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def wav(rng: np.random.Generator, data: bytes) -> bytes:
    """Has another format, number of channels, rate, sample width or size in its header."""
    fields = {4: 4, 16: 4, 20: 2, 22: 2, 24: 4, 28: 4, 32: 2, 34: 2, 40: 4}
    place = choose(rng, list(fields))
    value = choose(rng, (*EXTREMES, 4, 8, 16, 24, 32, 64, 8000, 96_000, 0xFFFE))
    size = fields[place]
    return data[:place] + (value & (256**size - 1)).to_bytes(size, "little") + data[place + size :]


def flac(rng: np.random.Generator, data: bytes) -> bytes:
    """Has another block size, rate, number of channels or samples in its STREAMINFO."""
    info = int.from_bytes(data[18:26], "big")  # 20 bits of rate, 3 channels, 5 sample width, 36 samples
    first, bits = choose(rng, ((44, 20), (41, 3), (36, 5), (0, 36)))
    mask = ((1 << bits) - 1) << first
    value = (choose(rng, (*EXTREMES, 8000, 2**36 - 1, 2**20 - 1)) << first) & mask
    return data[:18] + (info & ~mask | value).to_bytes(8, "big") + data[26:]


def _place(rng: np.random.Generator, size: int) -> int:
    if not size:
        raise Unfit
    where = choose(rng, ("begin", "end", "any", "any"))
    near = int(rng.integers(min(size, 256)))
    return near if where == "begin" else size - 1 - near if where == "end" else int(rng.integers(size))


def _stretch(rng: np.random.Generator, size: int) -> tuple[int, int]:
    start = _place(rng, size)
    return start, min(size, start + 1 + int(rng.exponential(size / 20 + 1)))


def _nodes(value: Any):
    """(holder, key) of every node below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _nodes(inner)
