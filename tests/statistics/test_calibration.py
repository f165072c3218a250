"""The nulls reject as often as they say, and those that should fail do."""

import numpy as np
import pytest

from actjax.statistics import calibration, simulated
from actjax.statistics.requirements import StatisticsError

SMALL = simulated.Design(clips=24, classes=4, frames=16, neurons=3, rows=2)


def test_the_default_null_is_calibrated_where_the_others_fail():
    rows = calibration.table(
        sets=100, replicates=99, families_of=("class_envelopes", "shared_envelope"), design=SMALL
    )
    rates = {(row.family, row.null): row for row in rows}
    assert len(rows) == 6
    for family in ("class_envelopes", "shared_envelope"):
        # 150 sets at 0.04: a binomial 99.9 % range.
        assert rates[family, "within_class"].rate <= 0.10
    assert rates["class_envelopes", "unrestricted"].low > 0.5
    assert rates["shared_envelope", "circular_shift"].low > 0.5


@pytest.mark.long
@pytest.mark.parametrize("family", simulated.FAMILIES)
def test_calibration_on_a_thousand_sets(family):
    [row] = calibration.table(families_of=(family,), kinds=("within_class",))
    assert row.sets == 1000 and 0.036 <= row.rate <= 0.064


@pytest.mark.long
def test_false_discoveries_on_a_thousand_sets():
    found = calibration.false_discoveries()
    assert found.proportion <= 0.10 + 2 * found.std_error and found.power > 0.5


def test_false_discoveries_stay_below_q_and_plants_are_found():
    found = calibration.false_discoveries(sets=12, replicates=99, design=simulated.Design(48, 6, 24, 12, 8))
    assert found.proportion <= 0.10 + 2 * found.std_error
    assert found.power > 0.5


def test_real_neurons_against_other_recordings():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(4), 8)
    onset = simulated.FAMILIES["class_envelopes"][0](simulated.Design(32, 4, 12, 3, 2), 1, rng)
    order = np.argsort(np.arange(32) % 4, kind="stable")
    x, y = (side[0][order].astype(np.float32) for side in onset)
    y[:, :, 0] += 3 * x[:, :, 0]  # a real relation, which mismatching breaks
    rows = calibration.mismatched(x, y, np.arange(32), classes, sets=100, replicates=99)
    rates = {row.null: row for row in rows}
    assert rates["within_class"].rate <= 0.12
    assert rates["circular_shift"].rate > rates["within_class"].rate
    with pytest.raises(StatisticsError, match="at least 4 recordings"):
        calibration.mismatched(x[:12], y[:12], np.arange(12), np.arange(12) % 4)
    assert calibration.too_few_recordings(np.arange(16), np.arange(16) % 4) is None
    # Clips of one recording count once.
    lacking = calibration.too_few_recordings(np.arange(16) // 2, np.arange(16) // 2 % 4)
    assert lacking and lacking.endswith("one class has 2")


def test_sources_of_plants_are_shared_as_said():
    design = simulated.Design(40, 4, 30, 8, 8)
    x, y, related = simulated.plants(design, 1, np.random.default_rng(1), gain=4.0)
    flat_x, flat_y = x.reshape(-1, 8), y.reshape(-1, 8)
    r = np.abs(np.corrcoef(flat_x.T, flat_y.T)[:8, 8:])
    assert related.sum() == 8 and related[4:].sum() == 0
    assert r[related].min() > r[~related].max()


def test_wilson_interval():
    # Wilson's interval for 5 of 100: (0.0215, 0.1118), Newcombe (1998) and R's prop.test without correction.
    row = calibration.rate("f", "within_class", 5, 100)
    assert (row.rate, row.low, row.high) == pytest.approx((0.05, 0.0215, 0.1118), abs=1e-4)


def test_the_benchmark_joins_families_real_neurons_and_plants(monkeypatch):
    from actjax.benchmark import calibration as benchmark

    plants = calibration.Discoveries(100, 0.09, 0.002, 1.0)
    monkeypatch.setattr(calibration, "false_discoveries", lambda **_: plants)
    monkeypatch.setattr(
        calibration, "table", lambda **_: [calibration.rate("slow_drift", "within_class", 5, 100)]
    )
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(32, 1, n)).astype(np.float32) for n in (3, 2))
    real = {"units": benchmark.Real(x, y, list(range(32)), [i % 4 for i in range(32)], "all")}
    rows = benchmark.benchmark(real=real, sets=100)
    assert [(r["check"], r["null"]) for r in rows] == [
        ("rejections", "within_class"),
        ("rejections", "within_class"),
        ("rejections", "unrestricted"),
        ("false discoveries", "within_class"),
    ]
    assert rows[1]["family"] == "mismatched clips, units" and rows[1]["rate"] <= 0.15
    assert rows[-1]["low"] == pytest.approx(0.086)
    text = benchmark.table(rows)
    assert "| slow drift | 0.050 (0.022 to 0.112) |  |" in text
