"""Sound fonts: the one that comes with pretty_midi, or any SF2 file, whose presets are checked."""

import functools
import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from actjax.data.gm.voices import DRUMS, LINEUPS
from actjax.files import FileError, file_digest, reading, regular_file

# Of a preset: its bank and program. General MIDI's percussion is bank 128, its instruments are bank 0.
Preset = tuple[int, int]
PERCUSSION = (128, 0)
RECORD, CHUNK = 38, 8
LETTERS = 10


def built_in() -> Path:
    """TimGM6mb.sf2 as it comes with pretty_midi, located without importing that package.

    Raises:
      ModuleNotFoundError: pretty_midi is not installed.
    """
    spec = importlib.util.find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "gm_instruments needs the sound font in pretty_midi: pip install pretty_midi"
        )
    return Path(spec.origin).parent / "TimGM6mb.sf2"


@functools.cache
def content(path: str | None) -> bytes:
    """Reads a sound font once a process; the built-in one where `path` is None."""
    return (built_in() if path is None else Path(path)).read_bytes()


def fingerprint(path: str) -> str:
    """Hashes a sound font, for the name of what is rendered with it."""
    return file_digest(Path(path))[:LETTERS]


def check(path: str) -> None:
    """Refuses what is no SF2 file, or lacks a program that a class plays on.

    Raises:
      FileNotFoundError: there is no such file.
      FileError: one line that says which presets are missing, and of which classes.
    """
    known = presets(Path(path))
    missing: dict[Preset, list[str]] = {}
    for name, lineups in LINEUPS.items():
        for preset in {_preset(p) for lineup in lineups for voice in lineup for p in voice.programs} - known:
            missing.setdefault(preset, []).append(name)
    if missing:
        told = [
            f"{'percussion' if preset == PERCUSSION else f'program {preset[1]}'} ({', '.join(names)})"
            for preset, names in sorted(missing.items())
        ]
        raise FileError(
            Path(path),
            f"lacks {len(missing)} presets that gm_instruments plays on: {'; '.join(told)}. Take a "
            "General MIDI sound font, fluid-soundfont-gm of Debian for one",
        )


def presets(path: Path) -> set[Preset]:
    """The (bank, program) of every preset of an SF2 file, read from its headers alone.

    Raises:
      FileNotFoundError: there is no such file.
      FileError: it is no SF2 file, or a compressed one (SF3).
    """
    size = regular_file(path)
    with reading(path, "a sound font (SF2)"), open(path, "rb") as file:
        riff, length, kind = struct.unpack("<4sI4s", _exactly(file.read(12), 12))
        if riff != b"RIFF" or kind != b"sfbk" or length + CHUNK > size:
            raise FileError(path, "is no sound font (SF2): its first bytes are another format's")
        every: set[Preset] = set()
        for name, start, end in _chunks(file, 12, size):
            if name != b"LIST":
                continue
            file.seek(start)
            of = file.read(4)
            for inner, begin, stop in _chunks(file, start + 4, end) if of in (b"INFO", b"pdta") else ():
                file.seek(begin)
                if of == b"INFO" and inner == b"ifil" and struct.unpack("<H", file.read(2))[0] > 2:
                    raise FileError(path, "is a compressed sound font (SF3): expand it to SF2 first")
                if of == b"pdta" and inner == b"phdr":
                    every |= _headers(file.read(stop - begin))
    return every


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte, byte behind the last) of the chunks between two places of an open file."""
    while start + CHUNK <= end:
        file.seek(start)
        name, length = struct.unpack("<4sI", _exactly(file.read(CHUNK), CHUNK))
        if start + CHUNK + length > end:
            raise ValueError(f"chunk {name!r} is longer than what holds it")
        yield name, start + CHUNK, start + CHUNK + length
        start += CHUNK + length + length % 2


def _headers(data: bytes) -> set[Preset]:
    """The presets of the chunk phdr, whose last record ends the list."""
    records = range(0, len(data) - 2 * RECORD + 1, RECORD)
    pairs = (struct.unpack_from("<HH", data, place + 20) for place in records)
    return {(bank, program) for program, bank in pairs}


def _exactly(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise ValueError(f"it ends after {len(data)} of {count} bytes")
    return data


def _preset(program: int) -> Preset:
    return PERCUSSION if program == DRUMS else (0, program)
