"""Every test runs on four simulated CPU devices, in strict promotion modes, with warnings as errors."""

import atexit
import functools
import gc
import importlib.metadata
import os
import shutil
import signal
import sys
import tempfile

# With --as-users everything is compiled as users compile it, which takes three times as long.
if "--as-users" in sys.argv:
    os.environ["ACTJAX_TESTS_AS_USERS"] = "1"
# Compiling is most of what the tests do, so LLVM's expensive passes are off and the backend optimises at
# level 1, in whatever a test starts too. JAX 0.10's older emitters compile in half the time, and a program
# that is not cut in pieces for as many threads in 0.87 of it; later releases do not know the first flag.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=4"
    + (
        " --xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=1"
        + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        * importlib.metadata.version("jaxlib").startswith("0.10.")
    )
    * ("ACTJAX_TESTS_AS_USERS" not in os.environ)
)
os.environ["JAX_PLATFORMS"] = "cpu"
# What one launch.py that a test starts has compiled the others read.
os.environ["JAX_COMPILATION_CACHE_DIR"] = (
    os.environ["JAX_COMPILATION_CACHE_DIR"]
    if "PYTEST_XDIST_WORKER" in os.environ
    else tempfile.mkdtemp(prefix="jax-")
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Programs say nothing of the lines that they came from, which costs a twentieth of the CPU time.
os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
# librosa's compiled functions go to a folder of each worker: two workers that fill one cache at once read
# half-written code, which ends in a segmentation fault.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
os.environ["NUMBA_OPT"] = "0"  # its functions run for less time than their optimisation takes
# A launch.py that a test starts reads the bytecode that another has written: 0.8 s of each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import jax
import pytest

sys.dont_write_bytecode = False
# What is started behind nohup or with & ignores these, and so would the tests of signals and their launches.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Tracing makes millions of objects that live as long as their program: to look through them for garbage at
# Python's thresholds was a seventh of the tests' CPU time.
gc.set_threshold(100_000, 10, 10)
atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
if "PYTEST_XDIST_WORKER" not in os.environ:
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
# The tests' own process keeps nothing: 1,400 programs compressed and written, of which 270 were read again,
# took more than they saved.
jax.config.update("jax_compilation_cache_dir", None)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_disable_most_optimizations", "ACTJAX_TESTS_AS_USERS" not in os.environ)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run the checks that take minutes")
    parser.addoption("--as-users", action="store_true", help="compile as users do, which takes long")


# librosa compiles itself in each worker's folder: one worker runs all that need it.
NEED_LIBROSA = (
    "test_dsp",
    "test_feature_benchmark",
    "test_feature_contract",
    "test_feature_parity",
    "test_feature_truth",
)
# The longest groups first, those of more than 8 CPU seconds: no worker is left alone with one at the end.
LONGEST = (
    "librosa",
    "test_end_to_end",
    "test_metric_contract",
    "test_sizes",
    "test_contract",
    "test_fuzz",
    "test_split_products",
    "test_api_inputs",
    "test_metric_nulls",
    "test_report_build",
    "test_resumed",
    "test_contributing",
    "test_loop",
    "test_geometry_metrics",
    "test_dependence_metrics",
    "test_docstrings",
    "test_accelerator",
    "test_readme",
    "test_sanity",
    "test_gm_instruments",
    "test_concept_metrics",
    "test_padding",
    "test_api",
    "test_binary_metrics",
    "test_import",
    "test_precision",
    "test_page_in_chromium",
    "test_keras",
    "test_step",
    "test_references",
    "test_run_nulls",
)


def _group(nodeid):
    name = nodeid.split("::")[0].rsplit("/", 1)[-1].removesuffix(".py")
    return "librosa" if name in NEED_LIBROSA else name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file stays with one worker, so that what it compiled and prepared serves all its tests."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _group(nodeid)

    return ByGroup(config, log)


def pytest_collection_finish(session):
    """What was imported and collected stays, so it is not looked through for garbage again."""
    # After each stage that a test runs in this process every program would go, for the next tests too.
    if capacity := sys.modules.get("actjax.capacity"):
        capacity.release = lambda: None
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    """librosa compiles what the tests call: on import it would compile all, for 10 seconds more."""
    if _group(item.nodeid) == "librosa":
        from compiled_on_call import compile_on_call

        compile_on_call()


def pytest_collection_modifyitems(config, items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))
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


@pytest.fixture(scope="module")
def optimised():
    """Optimises: for comparisons with references, and for training, which gives NaN otherwise."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", "ACTJAX_TESTS_AS_USERS" not in os.environ)


@pytest.fixture
def as_beside_a_gpu(monkeypatch):
    """Kernels run step by step on a CPU, and steps take the way of other devices than a CPU."""
    from jax.experimental import pallas

    from actjax.kernels import platform

    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(platform, "dependent", lambda *args, cpu, default: default(*args))
