"""How the matrix products behind scores are computed: the one place that decides.

    exact  float32 throughout
    fast   float32 as two bfloat16 parts of each side, three products of parts, float32 sums
    tf32   the device's fastest product of float32 (TF32 on a GPU, bfloat16 on a TPU): errors of 1e-5

Matrix units multiply bfloat16 ten to twenty times as fast as float32 is multiplied beside them. A device
without such units, a CPU among them, computes exactly whatever is asked for.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp

# The precision of exact products: TF32 and bfloat16 move correlations in the third decimal.
PRECISION = jax.lax.Precision.HIGHEST
WAYS = ("exact", "fast", "tf32")
# The first compute capability of CUDA devices with matrix units for bfloat16 and TF32.
_FIRST_CAPABILITY = 8.0
_ASKED: contextvars.ContextVar[str] = contextvars.ContextVar("way of matrix products", default="fast")
_BFLOAT16_EXPONENT_BITS, _BFLOAT16_MANTISSA_BITS = 8, 7
# Of the 65,536 steps of float32 within one of bfloat16 the short side is rounded up from 0.711 of them on.
# Were it rounded at 0.5 like the long side, what both leave out would agree where the sides do, and its
# missing product be 6e-7 of a correlation of 1; at 0.711 its expectation is 0.
_UNEVEN = 65_536 - 46_596


@contextlib.contextmanager
def products(way: str) -> Iterator[None]:
    """While this is open, scores are computed in this way, one of `WAYS`.

    Raises:
      ValueError: an unknown way.
    """
    token = _ASKED.set(checked(way))
    try:
        yield
    finally:
        _ASKED.reset(token)


def checked(way: str) -> str:
    """The way itself; raises ValueError, one line, for an unknown one."""
    if way not in WAYS:
        raise ValueError(f"expected precision to be one of {', '.join(WAYS)}, got {way!r}")
    return way


def current_way() -> str:
    """The way in which products are computed on this process's devices: what is asked for, where they can."""
    return _ASKED.get() if _multiplies_bfloat16(jax.devices()[0]) else "exact"


def _multiplies_bfloat16(device: jax.Device) -> bool:
    """Whether the device has matrix units for bfloat16."""
    if device.platform == "tpu":
        return True
    try:
        return device.platform == "gpu" and float(device.compute_capability) >= _FIRST_CAPABILITY
    except (AttributeError, ValueError):
        return False


def halves(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(high, low) bfloat16 of float32, each rounded to nearest: their sum differs by 2^-18 at most.

    By `reduce_precision`, which compilers keep: a conversion to bfloat16 and back may be left out.
    """
    high = jax.lax.reduce_precision(values, _BFLOAT16_EXPONENT_BITS, _BFLOAT16_MANTISSA_BITS)
    return high.astype(jnp.bfloat16), (values - high).astype(jnp.bfloat16)


def uneven_halves(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`halves` whose high part is rounded up from 0.711 of a step on, for the short side of a product."""
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32) + jnp.uint32(_UNEVEN)
    high = jax.lax.bitcast_convert_type(bits & jnp.uint32(0xFFFF0000), jnp.float32)
    return high.astype(jnp.bfloat16), (values - high).astype(jnp.bfloat16)


def split_product(long: jax.Array, short: jax.Array, axis: int = 1) -> jax.Array:
    """[n, k] the inner products of n long rows and k short ones, each side as two bfloat16 parts.

    The parts of the short side are stacked, so that the long side's are read once each; the product of both
    low parts, 2^-18 of the whole at most, is left out.

    Args:
      long: [n, o], or [o, n] with axis 0.
      short: [k, o], or [o, k].
      axis: of the observations.
    """
    long_high, long_low = halves(long)
    short_high, short_low = uneven_halves(short)
    k = short.shape[1 - axis]

    def product(a, b):
        dimensions = (((axis,), (axis,)), ((), ()))
        return jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32)

    of_high = product(long_high, jnp.concatenate([short_high, short_low], 1 - axis))
    return of_high[:, :k] + (of_high[:, k:] + product(long_low, short_high))
