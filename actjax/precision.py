"""How the matrix products behind scores are computed: the one place that decides.

    exact  float32 throughout
    fast   float32 as two float16 parts of each side, three products of parts, float32 sums
    tf32   the device's fastest product of float32 (TF32 on a GPU, bfloat16 on a TPU): errors of 1e-4
    plain  exact, by what JAX has alone: no kernels of actjax

Matrix units multiply float16 ten to twenty times as fast as float32 is multiplied beside them, but their
sums lose digits, so that "fast" needs a kernel (`actjax.kernels.split_product`); without it "exact" is taken.
A device without such units, a CPU among them, computes plainly whatever is asked for; a TPU knows tf32 too.
"""

import concurrent.futures
import contextlib
import contextvars
import functools
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax

from actjax.kernels import (
    band_sums,
    both_split,
    kth_value,
    lag_differences,
    largest_near,
    reorder_errors,
    row_ranks,
    running_median,
    short_side,
    spectral_peaks,
    spectrum_folds,
    split_product,
    trial,
)
from actjax.types import PRECISIONS

# The precision of exact products: TF32 and bfloat16 move correlations in the third decimal.
PRECISION = jax.lax.Precision.HIGHEST
_PLAIN = "plain"
# The first compute capability of CUDA devices with matrix units for TF32 beside float16.
_FIRST_CAPABILITY = 8.0
_ASKED: contextvars.ContextVar[str] = contextvars.ContextVar("way of matrix products", default="fast")
_Result = TypeVar("_Result")
# What stopped the kernels in this process, said once.
_stopped: list[str] = []


@contextlib.contextmanager
def products(way: str) -> Iterator[None]:
    """While this is open, scores are computed in this way, one of `PRECISIONS` or what `current_way` gave.

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
    if way not in PRECISIONS:
        raise ValueError(f"expected precision to be one of {', '.join(PRECISIONS)}, got {way!r}")
    return way


def current_way() -> str:
    """The way in which products are computed on this process's devices: what is asked for, where they can."""
    asked, device = _ASKED.get(), jax.devices()[0]
    if device.platform == "tpu":
        return asked if asked == "tf32" else _PLAIN
    if asked == _PLAIN or _stopped or not _has_matrix_units(device):
        return _PLAIN
    return "exact" if asked == "fast" and not _holds(split_product.holds) else asked


def kernel_searches() -> bool:
    """Whether the kernel that searches around multiples of a frequency is used in what is being traced."""
    return _on_gpu() and _holds(largest_near.holds)


def kernel_selects() -> bool:
    """Whether the kernel that finds values at places is used in what is being traced."""
    return _on_gpu() and _holds(kth_value.holds)


def kernel_bands() -> bool:
    """Whether the kernel that sums bands of spectra is used in what is being traced."""
    return _on_gpu() and _holds(band_sums.holds)


def kernel_differences() -> bool:
    """Whether the kernel that normalises YIN's differences is used in what is being traced."""
    return _on_gpu() and _holds(lag_differences.holds)


def kernel_folds() -> bool:
    """Whether the kernel that filters and folds stretches of spectra is used in what is being traced."""
    return _on_gpu() and _holds(spectrum_folds.holds)


def kernel_medians() -> bool:
    """Whether the kernel that takes running medians is used in what is being traced."""
    return _on_gpu() and _holds(running_median.holds)


def kernel_peaks() -> bool:
    """Whether the kernel that finds peaks of spectra is used in what is being traced."""
    return _on_gpu() and _holds(spectral_peaks.holds)


def kernel_ranks() -> bool:
    """Whether the kernel that ranks rows is used in what is being traced."""
    return _on_gpu() and _holds(row_ranks.holds)


def kernel_reorders() -> bool:
    """Whether the kernels that reorder strongest activations, for whole sides at once, are used."""
    return current_way() == "fast" and _holds(reorder_errors.holds)


def splits_before(k: int) -> bool:
    """Whether the long side is split before it is multiplied with a short side of k rows."""
    return both_split.gains(k) and _on_gpu() and _holds(both_split.holds)


def prepares_short(k: int, o: int) -> bool:
    """Whether a kernel centres and splits a short side of k rows with o observations."""
    return short_side.suits(k, o) and _on_gpu() and _holds(short_side.holds)


def _on_gpu() -> bool:
    return jax.devices()[0].platform != "tpu" and current_way() != _PLAIN


def try_kernels() -> None:
    """Tries at once, in threads, what a run would try one after the other; most of it is compiling."""
    of_features = (
        band_sums,
        lag_differences,
        largest_near,
        running_median,
        spectral_peaks,
        spectrum_folds,
    )
    modules = split_product, row_ranks, kth_value, *of_features
    if _has_matrix_units(jax.devices()[0]):
        with concurrent.futures.ThreadPoolExecutor(len(modules)) as pool:
            list(pool.map(_holds, [module.holds for module in modules]))


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


def _has_matrix_units(device: jax.Device) -> bool:  # pyright: ignore (a class that jax does not declare as one)
    """Whether the device is a GPU with matrix units, for which the kernels are written."""
    try:
        return device.platform == "gpu" and float(device.compute_capability) >= _FIRST_CAPABILITY
    except (AttributeError, ValueError):
        return False


@functools.cache
def _holds(tried: Callable[[], bool]) -> bool:
    """Whether a kernel compiles here and gives what it should; one that does not is left out, said once."""
    try:
        if trial.held(tried):
            return True
        reason = "a result is wrong"
    except Exception as error:
        # Pallas may be missing, or raise anything over a device that it does not know.
        reason = f"{type(error).__name__}: {error}"
    _say(f"{tried.__module__.rpartition('.')[2]} is left out", reason)
    return False


def _stop(reason: str) -> None:
    _stopped.append(reason)
    _say("all are left out from here on", reason)


def _say(what: str, reason: str) -> None:
    logging.getLogger(__name__).warning("kernels for scores: %s: %s", what, " ".join(reason.split())[:200])
