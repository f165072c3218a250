"""The package keeps its measures: lengths, numbers of names, annotations; the tests mirror its rooms."""

import ast

import pytest
from launching import ROOT

PACKAGE = ROOT / "actjax"
MODULES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES, LOCALS = 300, 45, 20
# Words that say nothing of what they name.
EMPTY_NAMES = {"kept", "own", "found", "made", "given", "rest", "about", "it", "this"}
# Folders of tests that are no room's, and root files whose subject is no module of the package.
NO_ROOMS = {"fuzz"}
NO_MODULES = {"docs", "docstrings", "architecture", "contributing", "launch", "readme", "rooms", "style"}
NESTED = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def functions(path):
    """(name with its line, node, lines of code) of every function of a module, methods and inner ones too."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            code = lines[body[0].lineno - 1 : node.end_lineno] if body else []
            count = sum(bool(line.strip()) and not line.strip().startswith("#") for line in code)
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node, count


def parameters(node):
    """Those of a function that a caller gives."""
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [one for one in (arguments.vararg, arguments.kwarg) if one]
    return [one for one in named + starred if one.arg not in ("self", "cls")]


def local_names(node):
    """Parameters and what a function assigns, without its inner functions and comprehensions."""
    found = {one.arg for one in parameters(node)}

    def visit(parent):
        for child in ast.iter_child_nodes(parent):
            if not isinstance(child, NESTED):
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                    found.add(child.id)
                visit(child)

    visit(node)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_the_measures(path):
    assert path.name == "__init__.py" or path.name == "__main__.py" or not path.name.startswith("_")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES
    for name, node, count in functions(path):
        bare = [one.arg for one in parameters(node) if one.annotation is None]
        assert not bare, f"{name}: no annotation of {', '.join(bare)}"
        assert count <= FUNCTION_LINES, f"{name}: {count} lines of code"
        assert len(names := local_names(node)) <= LOCALS, f"{name}: {len(names)} names: {sorted(names)}"
        assert not names & EMPTY_NAMES, f"{name}: say what it is: {sorted(names & EMPTY_NAMES)}"


def test_tests_mirror_the_rooms():
    tests = ROOT / "tests"
    folders = {path.name for path in tests.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - NO_ROOMS <= rooms
    alone = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
    assert alone - NO_MODULES <= {path.stem for path in PACKAGE.glob("*.py")}
