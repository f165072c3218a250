"""Whether a program being traced may call back to the host, where a CPU sorts faster than XLA does."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

_ALLOWED = contextvars.ContextVar("host callbacks are allowed", default=False)


@contextlib.contextmanager
def host_allowed(allowed: bool) -> Iterator[None]:
    """While tracing: whether `cpu_way` may choose the host. By default it may not."""
    token = _ALLOWED.set(allowed)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def cpu_way(host: Callable[..., Any], device: Callable[..., Any]) -> Callable[..., Any]:
    """The way to take on a CPU: `host`, a callback, where that cannot hang, else `device`."""
    return host if _ALLOWED.get() else device
