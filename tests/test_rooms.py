"""The house is held: who may import whom, and what imports without the heavy packages."""

import ast
import functools

import pytest
from launching import ROOT, finish, start

from actjax import lookup
from actjax.stages import Stage

# room -> the rooms that it imports: exactly these, whatever is drawn elsewhere. A room is a folder or, at the
# top, a module. There is no circle among them.
EDGES = {
    "__main__": {"command"},
    "ablation": {
        "activations",
        "atlas_site",
        "benchmark/metrics",
        "data",
        "files",
        "lookup",
        "nn",
        "runs",
        "scoring",
        "statistics",
        "types",
        "workdir",
    },
    "activations": {"costs", "dsp", "extraction", "layer_axis", "parallel", "types"},
    "arguments": {"options"},
    "atlas_site": {
        "activations",
        "code_version",
        "data",
        "external",
        "extraction",
        "files",
        "lookup",
        "nn",
        "pages",
        "report",
        "runs",
        "scores",
        "scoring",
        "setup",
        "types",
        "workdir",
    },
    "benchmark": {
        "benchmark/metrics",
        "findings",
        "hypotheses",
        "imported",
        "pages",
        "runs",
        "scores",
        "scoring",
        "statistics",
        "workdir",
    },
    "benchmark/accelerator": {
        "benchmark",
        "benchmark/feature_speed",
        "benchmark/speed",
        "data",
        "files",
        "lookup",
        "pages",
        "parallel",
        "similarity",
        "train",
        "types",
    },
    "benchmark/feature_speed": {"benchmark", "extraction", "lookup", "pages", "types", "workdir"},
    "benchmark/metrics": {
        "data/gm",
        "datasets",
        "dsp",
        "extraction",
        "files",
        "lookup",
        "options",
        "pages",
        "report",
        "similarity",
        "types",
        "workdir",
    },
    "benchmark/speed": {
        "benchmark",
        "files",
        "lookup",
        "options",
        "pages",
        "parallel",
        "precision",
        "similarity",
        "types",
        "workdir",
    },
    "beside": {"parallel"},
    "capacity": {"parallel"},
    "capturing": {"activations", "containers", "dsp", "external", "failures", "types"},
    "command": {
        "capacity",
        "compilation",
        "config_files",
        "experiment",
        "failures",
        "files",
        "interruption",
        "kernels",
        "lookup",
        "pages",
        "parallel",
        "peers",
        "precision",
        "workdir",
    },
    "compilation": {"parallel"},
    "config_files": {"defaults", "lookup", "workdir"},
    "costs": {"compilation"},
    "data": {"capacity", "data/build", "parallel", "types"},
    "data/build": {"files", "lookup", "npz", "pool", "workdir"},
    "data/gm": {"data/build", "files"},
    "data/recordings": {"data/build", "files", "lookup"},
    "datasets": {"data/build", "data/gm", "data/recordings", "files"},
    "defaults": {"lookup", "options", "types"},
    "dsp": {"kernels", "precision", "types"},
    "experiment": {
        "beside",
        "capacity",
        "config_files",
        "costs",
        "data",
        "data/build",
        "defaults",
        "lookup",
        "parallel",
        "precision",
        "preflight",
        "quick",
        "runs",
        "scoring",
        "stages",
        "types",
        "workdir",
    },
    "external": {
        "activations",
        "data",
        "external/formats",
        "extraction",
        "files",
        "layer_axis",
        "lookup",
        "types",
    },
    "external/formats": {"files", "lookup", "npz"},
    "extraction": {"containers", "dsp", "lookup", "types"},
    "failures": {"files", "interruption"},
    "features": {"dsp", "extraction", "kernels", "options", "types"},
    "findings": {
        "activations",
        "beside",
        "code_version",
        "data",
        "files",
        "findings/claims",
        "findings/cross_fitting",
        "lookup",
        "parallel",
        "runs",
        "scoring",
        "setup",
        "statistics",
        "train",
        "types",
        "workdir",
    },
    "findings/claims": {
        "activations",
        "data",
        "findings/cross_fitting",
        "lookup",
        "setup",
        "similarity",
        "statistics",
        "types",
    },
    "findings/cross_fitting": {"precision", "statistics"},
    "hypotheses": {"extraction", "files", "lookup", "scores"},
    "imported": {"data", "nn", "options", "parallel", "runs", "scoring", "train", "workdir"},
    "lookup": {"arguments", "options"},
    "memory": {"capacity", "failures", "network", "parallel", "setup", "train"},
    "metrics": {
        "precision",
        "similarity/accumulators",
        "similarity/arithmetic",
        "similarity/families",
        "similarity/host",
        "types",
    },
    "models": {"nn", "nn/published", "options", "types"},
    "network": {"activations", "failures", "lookup"},
    "nn": {"dsp", "layer_axis", "parallel", "types"},
    "nn/keras": {"external/formats", "files", "lookup", "nn"},
    "nn/published": {"external/formats", "files", "nn", "nn/keras"},
    "npz": {"files"},
    "pages": {"files"},
    "peers": {"files", "interruption", "parallel"},
    "precision": {"kernels", "types"},
    "preflight": {
        "data",
        "data/recordings",
        "defaults",
        "findings",
        "findings/claims",
        "memory",
        "runs",
        "scoring",
        "statistics",
    },
    "quick": {"preflight", "runs"},
    "replication": {
        "data/gm",
        "defaults",
        "experiment",
        "failures",
        "lookup",
        "pages",
        "scores",
        "similarity/host",
        "workdir",
    },
    "report": {
        "code_version",
        "files",
        "lookup",
        "pages",
        "pool",
        "scores",
        "statistics",
        "types",
        "workdir",
    },
    "results": {
        "activations",
        "atlas_site",
        "capturing",
        "config_files",
        "containers",
        "defaults",
        "experiment",
        "external",
        "files",
        "lookup",
        "options",
        "pages",
        "report",
        "runs",
        "scores",
        "scoring",
        "setup",
        "workdir",
    },
    "runs": {"data", "defaults", "lookup", "parallel", "setup", "types"},
    "scores": {"files"},
    "scoring": {
        "activations",
        "beside",
        "code_version",
        "costs",
        "data",
        "defaults",
        "external",
        "files",
        "interruption",
        "lookup",
        "network",
        "nn",
        "nn/keras",
        "options",
        "parallel",
        "precision",
        "runs",
        "scores",
        "setup",
        "similarity",
        "similarity/arithmetic",
        "similarity/host",
        "statistics",
        "train",
        "types",
        "workdir",
    },
    "search": {
        "experiment",
        "failures",
        "lookup",
        "memory",
        "network",
        "options",
        "parallel",
        "precision",
        "report",
        "runs",
        "scores",
        "scoring",
        "train",
        "workdir",
    },
    "setup": {
        "arguments",
        "defaults",
        "dsp",
        "external",
        "external/formats",
        "files",
        "lookup",
        "network",
        "options",
        "similarity",
        "types",
        "validation",
    },
    "similarity": {
        "containers",
        "lookup",
        "parallel",
        "precision",
        "similarity/accumulators",
        "similarity/arithmetic",
        "similarity/host",
        "types",
    },
    "similarity/accumulators": {"kernels", "precision", "similarity/arithmetic", "similarity/host", "types"},
    "similarity/arithmetic": {"kernels", "parallel", "precision"},
    "similarity/families": {
        "kernels",
        "precision",
        "similarity",
        "similarity/arithmetic",
        "similarity/host",
        "types",
    },
    "similarity/host": {"kernels", "precision"},
    "stages": {
        "ablation",
        "atlas_site",
        "benchmark",
        "code_version",
        "data",
        "data/build",
        "external",
        "files",
        "findings",
        "hypotheses",
        "imported",
        "lookup",
        "memory",
        "network",
        "options",
        "pages",
        "parallel",
        "report",
        "runs",
        "scores",
        "scoring",
        "statistics",
        "tracking",
        "train",
        "workdir",
    },
    "statistics": {
        "containers",
        "parallel",
        "precision",
        "similarity",
        "similarity/accumulators",
        "similarity/arithmetic",
        "similarity/host",
        "types",
    },
    "sweep": {"experiment", "findings", "parallel", "report", "runs", "search", "stages", "workdir"},
    "tracking": {"files", "lookup"},
    "train": {
        "data",
        "defaults",
        "files",
        "interruption",
        "nn",
        "options",
        "parallel",
        "tracking",
        "types",
        "workdir",
    },
    "types": {"layer_axis"},
    "validation": {"defaults", "dsp", "lookup", "network", "options", "parallel", "types"},
    "workdir": {"defaults", "files", "interruption", "npz", "options", "types"},
}
BARE = (
    "similarity",
    "metrics",
    "features",
    "extraction",
    "models",
    "nn",
    "activations",
    "statistics",
    "external.formats",
)
HEAVY = (
    "librosa", "tensorflow", "tensorflow_datasets", "grain", "pyarrow", "matplotlib", "scipy", "sklearn",
    "ml_collections", "absl", "orbax", "optax", "tqdm", "torch",
)  # fmt: skip


def modules():
    return sorted((ROOT / "actjax").rglob("*.py"))


def room_of(path):
    relative = path.relative_to(ROOT / "actjax")
    return relative.parent.as_posix() if len(relative.parts) > 1 else relative.stem


def dotted(path):
    """A module's name as it is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def names():
    """Module's dotted name -> its room."""
    return {dotted(path): room_of(path) for path in modules()}


def imported_modules(path):
    """The dotted names of actjax's modules that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in names() else node.module for name in whole]
        else:
            continue
        yield from (name for name in found if name in names())


def imported_rooms(path):
    """The rooms of actjax that a module imports."""
    return {names()[name] for name in imported_modules(path)}


def drawn_edges():
    """room -> the rooms that its modules import beside itself."""
    edges = {}
    for path in modules():
        edges.setdefault(room_of(path), set()).update(imported_rooms(path))
    return {room: others - {room} for room, others in edges.items()}


def test_rooms_import_exactly_what_the_table_says():
    drawn = {room: others for room, others in drawn_edges().items() if others and room != "__init__"}
    assert drawn == EDGES


def test_rooms_take_modules_from_the_package_and_no_public_name():
    """`actjax.run` is the public function; what a run knows is the module `actjax.runs`."""
    import actjax

    rooms = {name.split(".")[1] for name in names() if "." in name}
    assert not rooms & set(actjax.__all__)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "actjax":
                assert {alias.name for alias in node.names} <= rooms, path


def test_no_circle_among_the_rooms():
    left = drawn_edges()
    while left:
        leaves = {room for room, others in left.items() if not others & left.keys()}
        assert leaves, f"a circle among {sorted(left)}"
        left = {room: others for room, others in left.items() if room not in leaves}


def test_no_file_hides_behind_an_underscore():
    assert not [p.name for p in modules() if p.name.startswith("_") and not p.name.startswith("__")]


@pytest.mark.parametrize("kind", lookup.SHELVES)
def test_shelves_hold_plug_ins_only(kind):
    for name in lookup.names(kind):
        assert callable(lookup.factory(kind, name))


@pytest.mark.parametrize("name", lookup.names("stage"))
def test_every_stage_exports_its_four_fields(name):
    stage = lookup.module("stage", name).stage
    assert isinstance(stage, Stage) and stage.name == name
    assert all(callable(field) for field in stage[1:])


def test_stages_are_thin_and_import_no_other():
    files = {name: path for path in modules() if (name := dotted(path)).startswith("actjax.stages.")}
    commands = files | {"actjax.sweep": ROOT / "actjax" / "sweep.py"}
    assert set(lookup.TABLES["stage"].values()) <= set(commands)
    for name, path in commands.items():
        assert len(path.read_text().splitlines()) <= 90, name
        assert not set(commands) & set(imported_modules(path)), name


def test_no_module_is_above_300_lines():
    long = {path.name: n for path in modules() if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def test_modules_of_tests_have_different_names():
    """pytest imports each by its bare name, and refuses to collect a second one of that name."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert names == sorted(set(names)), [name for name in set(names) if names.count(name) > 1]


DEVICES = {"pmap", "psum", "pmean", "all_gather", "axis_index", "distributed"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_parallel_speaks_of_devices(path):
    if path.name == "parallel.py":
        return
    spoken, source = set(), path.read_text()
    if not any(word in source for word in DEVICES):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) != "parallel":
            spoken.add(node.attr)
    # A model is handed the axis name, and batch normalisation sums over it.
    allowed = {"psum"} if room_of(path) in ("models", "nn") else set()
    assert not spoken & DEVICES - allowed


def test_a_command_line_is_parsed_without_jax():
    """A wrong flag is reported at once, and a signal of the first second is obeyed."""
    code = (
        "import sys\n"
        "sys.modules['jax'] = None\n"
        "from actjax.command import parsing, program\n"
        "assert parsing.parse(['actjax', '--stage=score']) == ['actjax']\n"
    )
    finish(start(program=["-c", code]))


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
    finish(start(program=["-c", code]))
