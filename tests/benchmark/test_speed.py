import csv

import numpy as np
import pytest
from launching import finish, start

from actjax import lookup
from actjax.benchmark.speed import cases, peers, run, torch_peers
from actjax.defaults import default_config
from actjax.run import open_run
from actjax.stages.benchmark import stage

SMALL = {"neurons": 24, "rows": 8, "observations": 90, "repeats": 1, "metrics": "pearson,mutual_information"}


def test_stage_writes_table_and_picture(tmp_path, capsys):
    config = default_config()
    options = SMALL | {"max_pairs": 1000, "scaling_observations": 50}
    config.benchmark.kind = lookup.format_spec("speed", options)
    files = stage.run(open_run(config, tmp_path))
    assert [path.name for path in files] == ["speed.csv", "speed.md", "speed.png"]
    assert all(path.stat().st_size > 0 for path in files)
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    pearson = [
        r for r in rows if (r["part"], r["name"], r["layout"]) == ("metrics", "pearson", "neurons first")
    ]
    assert {r["peer"] for r in pearson} >= {"NumPy z-score + product", "scipy.stats.pearsonr, each pair"}
    for row in pearson:
        assert float(row["ratio"]) == pytest.approx(float(row["peer_seconds"]) / float(row["seconds"]))
        assert int(row["pairs"]) == 24 * 8 and float(row["product_share"]) > 0
    assert {r["pairs"] for r in rows if r["part"] == "scaling"} == {"1000"}
    assert "NumPy z-score + product" in capsys.readouterr().out


def test_runs_with_jax_and_numpy_alone():
    code = (
        "import sys\n"
        "for name in ('scipy', 'sklearn', 'torch', 'dcor', 'matplotlib', 'pyarrow', 'librosa'):\n"
        "    sys.modules[name] = None\n"
        "from actjax.benchmark.speed import run as speed\n"
        f"rows = speed.benchmark(**{SMALL | {'max_pairs': 0}})\n"
        "print({row.get('peer') for row in rows})\n"
    )
    out, _ = finish(start(program=["-c", code]))
    assert "left out, not installed: scipy, sklearn, torch" in out
    assert "NumPy z-score + product" in out


def test_formulas_compute_what_they_say():
    missing = set()
    torch = peers._library("torch", missing)
    if torch is None:
        assert missing == {"torch"}
        return
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5), dtype=np.float32), rng.standard_normal((60, 4), dtype=np.float32)
    expected = np.corrcoef(x.T, y.T)[:5, 5:]
    np.testing.assert_allclose(torch_peers.correlation(torch, x, y)(), expected, atol=1e-5)
    unit = [side / np.linalg.norm(side, axis=0) for side in (x, y)]
    np.testing.assert_allclose(torch_peers.cosine(torch, x, y)(), unit[0].T @ unit[1], atol=1e-5)
    ranks, _ = torch_peers.auc(torch, x, y > 0, 2)
    np.testing.assert_array_equal(np.argsort(ranks(), 0), np.argsort(x, 0))


def test_cases_and_shapes():
    assert {case.metric for case in cases.chosen(None, True)} >= {"ridge", "kendall", "pearson"}
    with pytest.raises(lookup.UnknownNameError, match="unknown metric 'persn'"):
        run.benchmark(metrics="persn")
    shapes = list(cases.scaling_shapes(10**5, 100))
    assert [n * k for n, k in shapes] == [10**3, 10**4, 10**5]
