import csv
import importlib.util

import numpy as np
import pytest
from launching import finish, start

from actjax import lookup
from actjax.benchmark.accelerator import references
from actjax.benchmark.speed import cases, run, torch_peers
from actjax.defaults import default_config
from actjax.runs import open_run
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
    torch = torch_peers.load()
    if torch is None:
        assert importlib.util.find_spec("torch") is None
        return
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5), dtype=np.float32), rng.standard_normal((60, 4), dtype=np.float32)
    sides = [torch_peers.tensor(torch, side) for side in (x, y)]
    p = torch.softmax(sides[1], dim=1)

    def check(work, reference, right=y):
        expected = reference(x.T.astype(float), right.T.astype(float))
        np.testing.assert_allclose(np.asarray(work().cpu()), expected, atol=1e-5)

    check(torch_peers.correlation(*sides), references.pearson)
    check(torch_peers.cosine(*sides), references.cosine)
    check(torch_peers.cosine_cubed(*sides), references.cosine_cubed)
    check(torch_peers.rank_correlation(torch, *sides), references.spearman)
    check(torch_peers.set_overlap("iou", *sides, 0.05), references.iou)
    check(torch_peers.set_overlap("f1", *sides, 0.05), references.f1)
    check(torch_peers.wpmi(torch, sides[0], p), references.wpmi, p.numpy())
    check(torch_peers.soft_wpmi(torch, sides[0], p, top=30), _soft_wpmi_of_30, p.numpy())
    ranks, _ = torch_peers.auc(torch, sides[0], sides[1][:, :1] > 0, 2)
    np.testing.assert_array_equal(np.argsort(np.asarray(ranks().cpu()), 0), np.argsort(x, 0))


def _soft_wpmi_of_30(x, p):
    strongest = np.argsort(-x, axis=1)[:, :30]
    member = 0.998 - np.arange(30) / 30 * 0.028
    return np.log(1 + member * (p[:, strongest] - 1)).mean(2).T - np.log(p.mean(1))


def test_cases_and_shapes():
    assert {case.metric for case in cases.select(None, True)} >= {"ridge", "kendall", "pearson"}
    with pytest.raises(lookup.UnknownNameError, match="unknown metric 'persn'"):
        run.benchmark(metrics="persn")
    shapes = list(cases.scaling_shapes(10**5, 100))
    assert [n * k for n, k in shapes] == [10**3, 10**4, 10**5]
