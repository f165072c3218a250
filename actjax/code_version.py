"""Hashes the code that a result depends on: a module, and all modules of computing rooms that it imports.

What is hashed is the syntax tree without docstrings, so that a result is made again when the code that made
it says something else, and not when it is explained better.
"""

import ast
import contextlib
import functools
import gc
import hashlib
import importlib.util
import pathlib
from collections.abc import Iterator

_ROOT = pathlib.Path(__file__).parent
# Rooms whose code changes numbers; wiring, files and pages do not.
COMPUTING = (
    "activations",
    "dsp",
    "external",
    "extraction",
    "features",
    "findings",
    "kernels",
    "layer_axis",
    "metrics",
    "models",
    "nn",
    "parallel",
    "precision",
    "scoring",
    "similarity",
    "statistics",
    "types",
)


@functools.cache
def version(*modules: str) -> str:
    """10 hex digits that stand for modules, as in "actjax.metrics.cka", and for what they compute with."""
    names: set[str] = set()
    waiting = list(modules)
    with _uncollected():
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting += [other for other in _imports(name) if other not in names]
        hashes = sorted((name, _hash(name)) for name in names)
    return hashlib.sha256(repr(hashes).encode()).hexdigest()[:10]


@functools.cache
def of_rooms(*rooms: str) -> str:
    """10 hex digits that stand for all files of rooms, pages included, and for what they compute with."""
    assert all((_ROOT / room).is_dir() for room in rooms), f"a room of {rooms} is not there"
    modules, others = [], []
    for path in sorted(path for room in rooms for path in (_ROOT / room).rglob("*") if path.is_file()):
        inside = path.relative_to(_ROOT)
        if path.suffix == ".py":
            modules.append(".".join(("actjax", *inside.with_suffix("").parts)).removesuffix(".__init__"))
        elif path.suffix != ".pyc":
            others.append((inside.as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()))
    return hashlib.sha256(repr((version(*modules), others)).encode()).hexdigest()[:10]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Syntax trees hold no cycles, and looking for some takes longer than parsing them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def _hash(name: str) -> str:
    tree = _parsed(name)
    return "" if tree is None else hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """The modules of computing rooms that a module names in its imports."""
    tree = _parsed(name)
    named: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(one for one in named if _computes(one) and _path(one) is not None))


def _computes(name: str) -> bool:
    root, *room = name.split(".")
    return root == "actjax" and bool(room) and room[0] in COMPUTING


@functools.cache
def _parsed(name: str) -> ast.Module | None:
    """A module's syntax tree without docstrings; None where it has no source."""
    path = _path(name)
    if path is None:
        return None
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@functools.cache
def _path(name: str) -> pathlib.Path | None:
    """The source file of a module; None where there is none."""
    root, *below = name.split(".")
    if root == "actjax":
        place = _ROOT.joinpath(*below)
        choices = (place / "__init__.py", place.with_suffix(".py"))
        return next((path for path in choices if path.is_file()), None)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return pathlib.Path(spec.origin)
