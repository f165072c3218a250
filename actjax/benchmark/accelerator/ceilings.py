"""What the device can do at most: copies, sorts and plain products, measured."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.benchmark import timing
from actjax.benchmark.accelerator.rows import Build, Measured, Section
from actjax.benchmark.speed import torch_peers

COPY, TO_DEVICE, TO_HOST, SORT = "copy", "host to device", "device to host", "sort"
# Name of each plain product -> type of its sides, precision.
PRODUCTS: Mapping[str, tuple[Any, jax.lax.Precision]] = {
    "float32 product": (jnp.float32, jax.lax.Precision.HIGHEST),
    "TF32 product": (jnp.float32, jax.lax.Precision.DEFAULT),
    "bfloat16 product": (jnp.bfloat16, jax.lax.Precision.DEFAULT),
    "int8 product": (jnp.int8, jax.lax.Precision.DEFAULT),
}


def rows(tiny: bool) -> Mapping[str, Build]:
    """One row for each limit; "rate" is in "unit"."""
    side = 128 if tiny else 8192
    numbers = 1 << (16 if tiny else 28)
    products = {
        name: functools.partial(_product, side, kind, precision)
        for name, (kind, precision) in PRODUCTS.items()
    }
    return {
        COPY: functools.partial(_copy, numbers),
        TO_DEVICE: functools.partial(_to_device, numbers // 4),
        TO_HOST: functools.partial(_to_host, numbers // 4),
        **products,
        SORT: functools.partial(_sort, *((8, 1000) if tiny else (4096, 20_000))),
        **_torch_rows(side),
    }


def _copy(numbers: int) -> Measured:
    """Bytes read and written by adding one to a long vector."""
    values = jnp.zeros((numbers,), jnp.float32)
    add_one = jax.jit(lambda x: x + 1)
    return _rate(lambda: add_one(values), 8e-9 * numbers, "GB/s", f"{numbers:,} float32")


def _to_device(numbers: int) -> Measured:
    values = np.zeros((numbers,), np.float32)
    return _rate(lambda: jax.device_put(values), 4e-9 * numbers, "GB/s", f"{numbers:,} float32")


def _to_host(numbers: int) -> Measured:
    taken = []
    for i in range(6):
        # An array keeps the copy that the host once took of it, so each is new.
        values = jax.block_until_ready(jnp.full((numbers,), i, jnp.float32))
        started = time.perf_counter()
        np.array(values)
        taken.append(time.perf_counter() - started)
    seconds = float(np.median(taken[1:]))
    return {
        "shape": f"{numbers:,} float32",
        "ms": 1e3 * seconds,
        "rate": 4e-9 * numbers / seconds,
        "unit": "GB/s",
    }


def _product(side: int, kind: Any, precision: jax.lax.Precision) -> Measured:
    sums = jnp.int32 if kind == jnp.int8 else jnp.float32
    # Random bits: a device draws less power, and runs faster, on zeros.
    a, b = (jax.random.normal(jax.random.key(seed), (side, side)) for seed in (0, 1))
    a, b = ((20 * m).astype(kind) if kind == jnp.int8 else m.astype(kind) for m in (a, b))
    multiply = jax.jit(functools.partial(jnp.matmul, precision=precision, preferred_element_type=sums))
    return _rate(lambda: multiply(a, b), 2e-12 * side**3, "TFLOP/s", f"{side:,} cubed")


def _sort(rows_count: int, o: int) -> Measured:
    values = jax.random.normal(jax.random.key(0), (rows_count, o))
    sort = jax.jit(functools.partial(jnp.sort, axis=1))
    return _rate(lambda: sort(values), 1e-9 * rows_count * o, "G keys/s", f"{rows_count:,} x {o:,}")


def _torch_rows(side: int) -> Mapping[str, Build]:
    """PyTorch's plain products, for comparison."""
    torch = torch_peers.load()
    names = {"float32 product, PyTorch": ("float32", False), "TF32 product, PyTorch": ("float32", True)}
    names["bfloat16 product, PyTorch"] = ("bfloat16", False)
    if torch is None:
        return {name: lambda: {"failed": "PyTorch is not installed"} for name in names}

    def product(kind: str, tf32: bool) -> Measured:
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            at = torch_peers.device(torch)
            a, b = (torch.randn(side, side, device=at, dtype=getattr(torch, kind)) for _ in range(2))
            return _rate(lambda: a @ b, 2e-12 * side**3, "TFLOP/s", f"{side:,} cubed")
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    return {name: functools.partial(product, *options) for name, options in names.items()}


def _rate(work: Callable[[], Any], amount: float, unit: str, shape: str) -> Measured:
    taken = timing.median(work)
    return {
        "shape": shape,
        "ms": 1e3 * taken.median_s,
        "runs": taken.runs,
        "first_s": taken.first_s,
        "rate": amount / taken.median_s,
        "unit": unit,
    }


SECTION = Section("ceilings", "Limits of the device", rows)
