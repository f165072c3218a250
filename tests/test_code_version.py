"""The version of code changes with what a result is computed by, and with nothing else."""

import importlib.util
import shutil

import pytest

from actjax import code_version, lookup, runs
from actjax.defaults import default_config
from actjax.findings import networks, observe, table


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


@pytest.fixture
def change(monkeypatch):
    """(module) -> its code counts as another from now on, and no other module's does."""
    hash_of = code_version._hash

    def of(name):
        monkeypatch.setattr(code_version, "_hash", lambda one: "another" if one == name else hash_of(one))
        code_version.version.cache_clear()

    yield of
    code_version.version.cache_clear()


def test_a_findings_table_is_made_from_its_features_metric_network_and_precision(
    tmp_path, monkeypatch, change
):
    class Test:
        fingerprint = "clips"

    monkeypatch.setattr(networks, "label_control", lambda run: None)
    config = default_config()

    def made():
        return table.made_from(runs.open_run(config, tmp_path / "run"), Test())

    first = made()
    features = [f"actjax.features.{name}" for name, _ in lookup.parse_specs(observe.FEATURES)]
    network = f"actjax.models.{lookup.parse_specs(config.model.name)[0][0]}"
    for name in (*features, "actjax.metrics.cka", network, "actjax.findings.summary"):
        change(name)
        assert made() != first, name
    change("actjax.metrics.kendall")
    assert made() == first
    config.score.precision = "tf32" if config.score.precision != "tf32" else "exact"
    assert made() != first
