"""What a stage takes is told: time, compiling, sections, and the largest memory meanwhile."""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from actjax import costs, experiment, files, runs
from actjax.defaults import default_config
from actjax.stages import Stage
from actjax.workdir import manifest


def test_a_stage_is_measured():
    with costs.measured() as cost:
        with costs.section("nulls"):
            time.sleep(0.02)
        with costs.section("nulls"):
            time.sleep(0.02)
        block = np.ones(2**26, np.uint8)
        jax.jit(lambda x: jnp.sin(x) + 37)(jnp.ones(3)).block_until_ready()
        del block
    assert cost.seconds >= cost.sections["nulls"] >= 0.04 and cost.compiling_seconds > 0
    if sys.platform == "linux" and cost.peak_gib is not None:
        assert cost.peak_gib > 0.06
        with costs.measured() as less:
            pass
        assert less.peak_gib < cost.peak_gib - 0.03
    with costs.section("of no stage"):
        pass


def test_the_manifest_keeps_what_a_stage_took_that_wrote_something(tmp_path, monkeypatch):
    """A second run finds all done, in a second or more of reading: the first one's cost stays."""
    run = runs.open_run(default_config(), tmp_path / "run")
    table = run.workdir / "scores" / "a.parquet"
    monkeypatch.setattr(costs, "LEAST_SECONDS", 0.0)
    took = []

    def score(run):
        if not table.exists():
            files.write_json(table, {})
        time.sleep(0.05)
        took.append(manifest.read(run.workdir).get("stages"))
        return [table]

    monkeypatch.setattr(experiment, "_load_stage", lambda name: Stage("score", None, None, score))
    for _ in range(3):
        experiment._run_in_order(run, ("score",))
    assert took[0] is None and took[1] == took[2] == manifest.read(run.workdir)["stages"]
    assert set(took[1]) == {"score"}


def test_the_summary_leaves_out_what_took_nothing():
    sections = {"nulls": 30.4, "pictures": 0.2}
    score = {"seconds": 140.2, "compiling_seconds": 61.0, "sections": sections, "peak_gib": 2.31}
    done = score | {"seconds": 0.1}
    assert costs.summary({"train": done, "score": score}) == (
        "time and largest memory:\n  score: 140 s (compiling 61, nulls 30), 2.3 GiB"
    )
    assert costs.summary({"train": done}) == ""
