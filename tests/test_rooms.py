"""The house is held: who may import whom, and what imports without the heavy packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ANYONE = {"types", "lookup", "files", "options", "arguments"}
# room -> the rooms that it may import beside itself and those of ANYONE
ALLOWED = {
    "types": set(),
    "lookup": set(),
    "parallel": set(),
    "defaults": set(),
    "files": set(),
    "lock": set(),
    "artefacts": set(),
    "options": set(),
    "arguments": set(),
    "failures": set(),
    "workdir": {"defaults", "lock", "files"},
    "dsp": set(),
    "external": set(),
    "datasets": {"workdir", "lock"},
    "features": {"dsp"},
    "models": {"dsp", "external"},
    "train": {"defaults", "parallel", "models", "dsp", "workdir", "artefacts"},
    "activations": {"parallel", "dsp", "features", "external"},
    "similarity": {"parallel"},
    "statistics": {"similarity", "parallel"},
    "benchmark": {
        "similarity",
        "statistics",
        "parallel",
        "features",
        "dsp",
        "datasets",
        "activations",
        "report",
    },
    "report": {"statistics", "workdir", "artefacts"},
}
EVERYTHING = {"stages", "experiment", "__init__"}
BARE = ("similarity", "features", "models", "activations", "statistics", "external")
HEAVY = (
    "librosa", "tensorflow", "tensorflow_datasets", "grain", "pyarrow", "matplotlib", "scipy", "sklearn",
    "ml_collections", "absl", "orbax", "optax", "tqdm", "torch",
)  # fmt: skip


def modules():
    return sorted((ROOT / "actjax").rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT / "actjax").with_suffix("").parts[0]


def imported_rooms(path):
    """The rooms of actjax that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "actjax":
            names = [f"actjax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("actjax."))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_what_the_house_allows(path):
    room = room_of(path)
    if room in EVERYTHING:
        return
    strangers = set(imported_rooms(path)) - ALLOWED[room] - ANYONE - {room}
    assert not strangers, f"{path.name} in room {room} imports {sorted(strangers)}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_parallel_speaks_of_devices(path):
    if path.name == "parallel.py":
        return
    spoken = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) != "parallel":
            spoken.add(node.attr)
    # A model is handed the axis name, and batch normalisation sums over it.
    allowed = {"psum"} if room_of(path) == "models" else set()
    assert not spoken & {"pmap", "psum", "pmean", "all_gather", "axis_index", "distributed"} - allowed


def test_light_rooms_import_with_jax_flax_and_numpy_alone():
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        # flax itself needs optax for one helper and absl for its logging: they are let in for it alone.
        "del sys.modules['optax'], sys.modules['absl']\n"
        "import importlib, pkgutil\n"
        f"for room in {BARE!r}:\n"
        "    package = importlib.import_module('actjax.' + room)\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "import actjax\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_room_is_missing_from_the_table():
    rooms = {room_of(path) for path in modules()}
    assert rooms <= set(ALLOWED) | EVERYTHING
