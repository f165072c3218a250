"""Decides where a step is computed: by XLA on its device, or by NumPy on the host, which sorts faster than
XLA does on a CPU."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from actjax.kernels import platform

# What `watched` has seen, while it watches.
_CALLS: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("calls of the host", default=None)
_ALLOWED = contextvars.ContextVar("host callbacks are allowed", default=False)


@contextlib.contextmanager
def host_allowed(allowed: bool) -> Iterator[None]:
    """While tracing: whether `host_or_device` may choose the host. By default it may not."""
    token = _ALLOWED.set(allowed)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """Yields a list that gets the name of everything that is traced meanwhile and calls the host."""
    calls: list[str] = []
    token = _CALLS.set(calls)
    try:
        yield calls
    finally:
        _CALLS.reset(token)


def host_or_device(
    host: Callable[..., Any],
    device: Callable[..., Any],
    *operands: Any,
    accelerator: Callable[..., Any] | None = None,
) -> Any:
    """`host(*operands)` on a CPU, where a callback cannot hang; `device(*operands)` elsewhere.

    Args:
      host, device: functions of the operands.
      *operands: arrays.
      accelerator: instead of `device` in programs that are not for a CPU.
    """
    cpu = host if _ALLOWED.get() else device
    return platform.dependent(*operands, cpu=cpu, default=accelerator or device)


def call_host(work: Callable[..., Any], results: Any, *operands: jax.Array) -> Any:
    """`work` of NumPy arrays, from inside a program; under vmap it is called once with leading axes more.

    Args:
      work: pure; takes the operands as NumPy arrays, which have leading axes, or of length 1, where vmap
        gave them some, and returns arrays of the shapes and types of `results` behind those axes.
      results: a pytree of `jax.ShapeDtypeStruct`.
      *operands: arrays.
    """

    calls = _CALLS.get()
    if calls is not None:
        calls.append(getattr(work, "__name__", repr(work)))

    def of_numpy(*arrays: Any) -> Any:
        return work(*(np.asarray(array) for array in arrays))

    return jax.pure_callback(of_numpy, results, *operands, vmap_method="expand_dims")
