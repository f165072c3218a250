"""The track of real networks in the benchmark of metrics: what stands on its page and in its table."""

from actjax import lookup
from actjax.benchmark.metrics import run


def test_named_units_are_a_track_of_their_own(tmp_path):
    numbers = {"units": 20, "first": 0.5, "reciprocal": 0.61, "median": 1.5, "rows": 130}
    standing = {"spearman": numbers, "pearson": numbers | {"reciprocal": 0.5}}
    rows = lookup.load("benchmark", "metrics", parts="known", metrics="pearson,spearman", known=standing)
    assert [row["metric"] for row in rows if row["part"] == "known"] == ["spearman", "pearson"]
    assert "## Named units of a real network" in run.table(rows) and "spearman" in run.table(rows)
    page = run.plot(rows, tmp_path / "metrics.png")
    text = page.read_text()
    assert "Named units of a real network" in text and "0.61" in text
    assert (tmp_path / "metrics" / "known.csv").exists()
