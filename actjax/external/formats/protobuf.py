"""The fields of a protocol buffer's message, by number, without its schema."""

from collections.abc import Mapping
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Fields(NamedTuple):
    """The values of each field: whole numbers and bytes, as they came.

    Attributes:
      values: number of the field -> its values.
    """

    values: Mapping[int, list[int | bytes]]

    def number(self, field: int, default: int = 0) -> int:
        """The last whole number of a field; ValueError if it is none."""
        value = self.values.get(field, [default])[-1]
        if not isinstance(value, int):
            raise ValueError(f"field {field} is no number")
        return value

    def content(self, field: int) -> bytes:
        """The last bytes of a field, empty where it is not there."""
        return (self.contents(field) or [b""])[-1]

    def contents(self, field: int) -> list[bytes]:
        """All bytes of a field; ValueError if it holds numbers."""
        values = self.values.get(field, [])
        texts = [value for value in values if isinstance(value, bytes)]
        if len(texts) != len(values):
            raise ValueError(f"field {field} is a number")
        return texts


def varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where the next byte is) of a base-128 number of at most 64 bits."""
    number = 0
    for i in range(10):
        if at + i >= len(data):
            raise ValueError("ends within a number")
        number |= (data[at + i] & 127) << (7 * i)
        if data[at + i] < 128:
            return number, at + i + 1
    raise ValueError("a number of more than 64 bits")


def fields(message: bytes) -> Fields:
    """Reads a message; ValueError where it is cut short or of a form that is no longer written."""
    values: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = varint(message, at)
        elif kind in (FIXED64, FIXED32, BYTES):
            length = {FIXED64: 8, FIXED32: 4}.get(kind)
            if length is None:
                length, at = varint(message, at)
            if at + length > len(message):
                raise ValueError(f"field {number} ends beyond its message")
            value, at = message[at : at + length], at + length
            value = value if kind == BYTES else int.from_bytes(value, "little")
        else:
            raise ValueError(f"field {number} of unknown form {kind}")
        values.setdefault(number, []).append(value)
    return Fields(values)
