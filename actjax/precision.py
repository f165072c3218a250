"""How the matrix products behind scores are computed: the one place that decides.

    exact  float32 throughout
    fast   float32 as two bfloat16 parts of each side, three products of parts, float32 sums
    tf32   the device's fastest product of float32 (TF32 on a GPU, bfloat16 on a TPU): errors of 1e-4
    plain  exact, by what JAX has alone: no kernels of actjax

Matrix units multiply bfloat16 ten to twenty times as fast as float32 is multiplied beside them, but their
sums lose digits, so that "fast" needs a kernel (`actjax.split_product`). A device without such units, a CPU
among them, and one that cannot compile the kernels compute plainly whatever is asked for; a TPU knows tf32
alone beside.
"""

import contextlib
import contextvars
import functools
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax

from actjax import split_product

# The precision of exact products: TF32 and bfloat16 move correlations in the third decimal.
PRECISION = jax.lax.Precision.HIGHEST
WAYS = ("exact", "fast", "tf32")
_PLAIN = "plain"
# The first compute capability of CUDA devices with matrix units for bfloat16 and TF32.
_FIRST_CAPABILITY = 8.0
_ASKED: contextvars.ContextVar[str] = contextvars.ContextVar("way of matrix products", default="fast")
_Result = TypeVar("_Result")
# What stopped the kernels in this process, said once.
_stopped: list[str] = []


@contextlib.contextmanager
def products(way: str) -> Iterator[None]:
    """While this is open, scores are computed in this way, one of `WAYS` or what `current_way` returned.

    Raises:
      ValueError: an unknown way.
    """
    token = _ASKED.set(way if way == _PLAIN else checked(way))
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
    asked, device = _ASKED.get(), jax.devices()[0]
    if device.platform == "tpu":
        return asked if asked == "tf32" else _PLAIN
    return asked if asked == _PLAIN or _has_kernels(device) else _PLAIN


def kernels() -> bool:
    """Whether the kernels of actjax for GPUs are to be used in what is being traced."""
    return current_way() != _PLAIN and jax.devices()[0].platform != "tpu"


def of_products() -> jax.lax.Precision:
    """What JAX is asked for in the products of scores."""
    return jax.lax.Precision.DEFAULT if current_way() == "tf32" else PRECISION


def guarded(run: Callable[[str], _Result]) -> _Result:
    """run(the current way); should it fail with kernels and not without them, the process goes on without.

    Args:
      run: takes the way, compiles and starts what it needs.
    """
    way = current_way()
    if way == _PLAIN:
        return run(way)
    try:
        return run(way)
    except Exception as error:
        # Compilers and drivers raise anything; the caller's own mistakes are raised again here.
        result = run(_PLAIN)
        _stop(f"{type(error).__name__}: {error}")
        return result


def _has_kernels(device: jax.Device) -> bool:
    """Whether the device has matrix units for bfloat16, and the kernels hold on it."""
    try:
        capable = device.platform == "gpu" and float(device.compute_capability) >= _FIRST_CAPABILITY
    except (AttributeError, ValueError):
        return False
    return capable and not _stopped and _hold()


@functools.cache
def _hold() -> bool:
    try:
        if split_product.holds():
            return True
        reason = "a product is wrong"
    except Exception as error:
        # Pallas may be missing, or raise anything over a device that it does not know.
        reason = f"{type(error).__name__}: {error}"
    _stop(reason)
    return False


def _stop(reason: str) -> None:
    _stopped.append(reason)
    line = " ".join(reason.split())[:200]
    logging.getLogger(__name__).warning("products of scores go without kernels from here on: %s", line)
