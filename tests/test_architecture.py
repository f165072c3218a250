"""The map of the rooms in docs/ is the one that the imports give now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(package, **modules):
    for name, text in modules.items():
        file = package / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return package


def test_the_committed_picture_is_drawn_from_these_imports(script):
    committed = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert committed == script.draw(ROOT / "actjax"), "run python docs/draw_architecture.py"


def test_arrows_run_downwards_and_leave_out_what_others_imply(script, tmp_path):
    package = write(
        tmp_path / "house",
        top="from house import attic, cellar\nfrom house.hall import door\n",
        attic="from house.hall.door import key\n",
        hall__door="import house.cellar\nimport json\n",
        cellar="",
    )
    edges, sizes = script.rooms_of(package)
    assert edges == {
        "top": {"attic", "cellar", "hall"},
        "attic": {"hall"},
        "hall": {"cellar"},
        "cellar": set(),
    }
    assert sizes == dict.fromkeys(edges, 1)
    ground, rest = script.split(edges, package)
    assert (ground, rest) == (["cellar"], {"top": {"attic", "hall"}, "attic": {"hall"}, "hall": set()})
    level = script.levels(rest)
    assert level == {"top": 2, "attic": 1, "hall": 0}
    assert script.needed(rest, level) == [("attic", "hall"), ("top", "attic")]
    assert script.draw(package).count("marker-end") == 2


def test_a_circle_is_named(script, tmp_path):
    package = write(tmp_path / "house", one="import house.two\n", two="import house.one\n")
    with pytest.raises(ValueError, match="a circle of imports among one, two"):
        script.draw(package)
