"""The benchmark's stage keeps a table, and a picture where there is something to be drawn."""

from types import SimpleNamespace

import pytest

from actjax import lookup, runs
from actjax.defaults import default_config
from actjax.stages import benchmark


@pytest.mark.parametrize("scaling", [False, True])
def test_a_benchmark_without_a_picture_ends_with_its_files(tmp_path, monkeypatch, scaling):
    def plot(rows, path):
        return path if scaling else None

    config = default_config()
    config.benchmark.kind = "speed"
    run = runs.open_run(config, tmp_path / "run")
    monkeypatch.setattr(lookup, "options_of", lambda *_: {})
    monkeypatch.setattr(lookup, "load", lambda *_, **__: [{"metric": "pearson", "seconds": 1.0}])
    monkeypatch.setattr(lookup, "module", lambda *_: SimpleNamespace(plot=plot))
    outputs = benchmark.measure(run)
    assert [path.suffix for path in outputs] == [".csv", ".md", ".png"][: 2 + scaling]
