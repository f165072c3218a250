"""Runs a kernel for a trial, apart from whatever is being traced, and remembers which held."""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxlib import version


def computed(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """function(*arrays) on the first device, at once, whatever is being traced and for whichever device."""
    with jax.default_device(None):
        return jax.jit(function).lower(*arrays).compile()(*arrays)


def held(tried: Callable[[], bool]) -> bool:
    """Whether the kernel of a module's `holds` holds; one that did is not tried again by later processes.

    They find an empty file beside the compiled programs, whose name says all that the answer hangs on: the
    kernels' sources, JAX, the device and its compilers. Without a folder of programs nothing is remembered,
    and what failed is tried again.
    """
    folder, name = jax.config.values["jax_compilation_cache_dir"], tried.__module__.rpartition(".")[2]
    mark = Path(folder) / f"holds-{name}-{_surroundings()}" if folder else None
    if mark is not None and mark.exists():
        return True
    holds = tried()
    if holds and mark is not None:
        with contextlib.suppress(OSError):  # it is tried again, then
            mark.touch()
    return holds


@functools.cache
def _surroundings() -> str:
    """A hash of what kernels are made of and by, and of what runs them."""
    device, sources = jax.devices()[0], sorted(Path(__file__).parent.glob("*.py"))
    made_by = jax.__version__, version.__version__, sys.version, os.environ.get("XLA_FLAGS", "")
    run_by = device.device_kind, device.client.platform_version
    known = hashlib.sha256(repr((made_by, run_by)).encode())
    for source in sources:
        known.update(source.read_bytes())
    return known.hexdigest()[:32]
