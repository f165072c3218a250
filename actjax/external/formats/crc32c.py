"""CRC-32C of bytes, with NumPy alone."""

import functools

import numpy as np

# Stretches of the data that are computed side by side, a power of two.
LANES = 4096
_POLYNOMIAL = np.uint32(0x82F63B78)
_BITS = np.arange(32, dtype=np.uint32)


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720) of some bytes.

    A CRC is linear over GF(2): stretches of equal length are computed side by side, then joined by the
    matrix that runs a register through as many zero bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table, values = _table(), np.frombuffer(data, np.uint8)
    head = len(values) % LANES
    register = 0xFFFFFFFF
    for byte in values[:head].tolist():
        register = int(table[(register ^ byte) & 255]) ^ (register >> 8)
    lanes = values[head:].reshape(LANES, -1)
    state = np.zeros(LANES, np.uint32)
    state[0] = register
    for byte in lanes.T:
        state = table[(state ^ byte) & 255] ^ (state >> np.uint32(8))
    through = _zero_bytes(lanes.shape[1])
    while len(state) > 1:
        state = _applied(through, state[0::2]) ^ state[1::2]
        through = _applied(through, through)
    return int(state[0]) ^ 0xFFFFFFFF


def unmasked(masked: int) -> int:
    """The CRC that LevelDB and TensorFlow keep turned and shifted, so that a CRC of a CRC is none."""
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return ((turned >> 17) | (turned << 15)) & 0xFFFFFFFF


@functools.cache
def _table() -> np.ndarray:
    """[256] uint32: the register after one byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ _POLYNOMIAL, table >> np.uint32(1))
    return table.astype(np.uint32)


def _zero_bytes(count: int) -> np.ndarray:
    """[32] uint32: where each bit of a register goes when `count` zero bytes follow."""
    bits = np.uint32(1) << _BITS
    power, out = _table()[bits & 255] ^ (bits >> np.uint32(8)), bits
    while count:
        out = _applied(power, out) if count & 1 else out
        power, count = _applied(power, power), count >> 1
    return out


def _applied(matrix: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """Each register through a matrix over GF(2)."""
    has = (registers[:, None] >> _BITS) & np.uint32(1)
    return np.bitwise_xor.reduce(np.where(has, matrix[None, :], np.uint32(0)), axis=1)
