"""Lends NumPy's arrays to programs on the CPU, which else copy them into memory of their own.

XLA takes memory that begins at a multiple of 64 bytes as it is, and NumPy's large arrays begin 16 bytes
behind one. A copy costs as much as half of the product of all pairs, most of it the first touch of fresh
memory. So all but the first observations are lent as one flat array, from the nearest such place on.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

_ALIGNMENT = 64
# Places in a flat array are int32.
_MOST = 2**31 - 1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Lent:
    """[o, v] float32, one observation after the other, most of it in memory that NumPy owns.

    Attributes:
      head: [h, v] the first observations, a copy.
      tail: the others, flat, behind `skip` values that do not count.
      skip: how many.
    """

    head: jax.Array
    tail: jax.Array
    skip: int = dataclasses.field(metadata={"static": True})

    @property
    def shape(self) -> tuple[int, int]:
        """(o, v)."""
        h, v = self.head.shape
        return h + (self.tail.size - self.skip) // v, v

    def whole(self) -> jax.Array:
        """[o, v], a copy."""
        others = self.tail[self.skip :].reshape(-1, self.head.shape[1])
        return jnp.concatenate([self.head, others])

    def observations(self, start: jax.Array, size: int) -> jax.Array:
        """[size, v] from observation `start` on, which lies behind the head."""
        h, v = self.head.shape
        place = (start - h) * v + self.skip
        return jax.lax.dynamic_slice_in_dim(self.tail, place, size * v).reshape(size, v)


Array = jax.Array | Lent


def on_device(values: np.ndarray | jax.Array, head: int | None = None) -> Array:
    """The values in float32 where JAX computes by default; on a CPU they are not copied if that can be.

    NumPy must neither change nor free them before the program has ended.

    Args:
      values: [o, v], or any array where `head` is None.
      head: gives a `Lent` of so many first observations where nothing else avoids a copy.
    """
    if isinstance(values, jax.Array) and values.dtype == np.float32:
        # Asking JAX to leave an array as it is takes it a tenth of a millisecond.
        return values
    if isinstance(values, jax.Array) or jax.default_backend() != "cpu":
        return jnp.asarray(values).astype(jnp.float32)
    lendable = values.dtype == np.float32 and values.flags.c_contiguous and values.flags.aligned
    if lendable and values.ctypes.data % _ALIGNMENT == 0:
        return _lent(values)
    if lendable and head is not None and _fits_behind(values, head):
        return _behind(values, head)
    return _copied(values)


def whole(side: Array) -> jax.Array:
    """The side as one array."""
    return side.whole() if isinstance(side, Lent) else side


def first(side: Array, size: int, axis: int) -> jax.Array:
    """The first `size` observations of `axis`; of a `Lent` its head."""
    return side.head if isinstance(side, Lent) else jax.lax.slice_in_dim(side, 0, size, axis=axis)


def observations(side: Array, start: jax.Array, size: int, axis: int) -> jax.Array:
    """`size` observations of `axis` from `start` on; of a `Lent` they lie behind its head."""
    if isinstance(side, Lent):
        return side.observations(start, size)
    return jax.lax.dynamic_slice_in_dim(side, start, size, axis)


def _fits_behind(values: np.ndarray, head: int) -> bool:
    return head < len(values) and head * values.shape[1] * 4 >= _ALIGNMENT and values.size <= _MOST


def _behind(values: np.ndarray, head: int) -> Lent:
    flat = values.reshape(-1)
    start = head * values.shape[1]
    skip = (values.ctypes.data + start * flat.itemsize) % _ALIGNMENT // flat.itemsize
    return Lent(_copied(values[:head]), _lent(flat[start - skip :]), skip)


def _copied(values: np.ndarray) -> jax.Array:
    """A copy in float32, in memory from NumPy, which asks for large pages: a fifth of the time of XLA's."""
    room = np.empty(values.size + _ALIGNMENT // 4, np.float32)
    start = -room.ctypes.data % _ALIGNMENT // room.itemsize
    copy = room[start : start + values.size].reshape(values.shape)
    np.copyto(copy, values, casting="unsafe")
    return _lent(copy)


def _lent(values: np.ndarray) -> jax.Array:
    return jax.device_put(values, may_alias=True)
