"""What a stage takes is told: time, compiling, sections, and the largest memory meanwhile."""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import costs


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
        assert less.peak_gib == pytest.approx(cost.peak_gib, abs=1.0)
    with costs.section("of no stage"):
        pass


def test_the_summary_leaves_out_what_took_nothing():
    sections = {"nulls": 30.4, "pictures": 0.2}
    score = {"seconds": 140.2, "compiling_seconds": 61.0, "sections": sections, "peak_gib": 2.31}
    done = score | {"seconds": 0.1}
    assert costs.summary({"train": done, "score": score}) == (
        "time and largest memory:\n  score: 140 s (compiling 61, nulls 30), 2.3 GiB"
    )
    assert costs.summary({"train": done}) == ""
