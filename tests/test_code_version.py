"""The version of code changes with what a result is computed by, and with nothing else."""

import importlib.util
import shutil

from actjax import code_version


def version_of(folder):
    """The version of the small tree's metric, by a `code_version` that has parsed nothing yet."""
    spec = importlib.util.spec_from_file_location("copied_code_version", folder / "code_version.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.version("actjax.metrics.loudest")


def test_docstrings_and_pages_change_nothing_and_code_of_computing_rooms_does(tmp_path):
    folder = tmp_path / "actjax"
    rooms = ("dsp", "external", "metrics", "report")
    for room in rooms:
        (folder / room).mkdir(parents=True)
        (folder / room / "__init__.py").touch()
    shutil.copy(code_version.__file__, folder)
    (folder / "metrics" / "loudest.py").write_text(
        '"""Loudest."""\nfrom actjax import layer_axis\nfrom actjax.dsp import louder\n'
        "from actjax.external.tables import read\nfrom actjax.report import page\n"
    )
    modules = ("dsp/louder.py", "external/tables.py", "layer_axis.py", "report/page.py")
    for name in modules:
        (folder / name).write_text('"""Explained."""\nBOUND = 1\n')
    before = version_of(folder)
    for name in modules:
        (folder / name).write_text('"""Explained better."""\nBOUND = 1\n')
    assert version_of(folder) == before
    for name in modules:
        (folder / name).write_text('"""Explained better."""\nBOUND = 2\n')
        after = version_of(folder)
        assert (after != before) == (name != "report/page.py"), name
        before = after
