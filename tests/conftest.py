"""Every test runs on four simulated CPU devices, in strict promotion modes, with warnings as errors."""

import atexit
import os
import shutil
import tempfile

# Compiling is most of what the tests do, so LLVM's expensive passes are off and the backend optimises at
# level 1. (At level 0 training gives NaN.)
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=4 --xla_llvm_disable_expensive_passes=true"
    + " --xla_backend_optimization_level=1"
)
os.environ["JAX_PLATFORMS"] = "cpu"
# What one worker, or a launch.py that a test starts, has compiled the others read.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jax-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# librosa's compiled functions go to a folder of each worker: two workers that fill one cache at once read
# half-written code, which ends in a segmentation fault.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")

import jax
import pytest

atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run the checks that take minutes")


def pytest_collection_modifyitems(config, items):
    # The longest file first, so that no worker is left alone with it at the end.
    items.sort(key=lambda item: "test_end_to_end" not in item.nodeid)
    if config.getoption("--long"):
        return
    long = [item for item in items if "long" in item.keywords]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if "long" not in item.keywords]


@pytest.fixture
def standard_promotion():
    """Standard promotion, for code that runs optax's adam and schedules or flax's avg_pool."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
