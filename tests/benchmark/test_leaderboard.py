"""The leaderboard: anchors at 0 and 1, ties by interval, and the whole benchmark in small."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup
from actjax.benchmark.metrics import causal, judging, leaderboard, rendered, run, trials
from actjax.benchmark.metrics import plants as metrics_plants
from actjax.pages.rows import csv_text
from actjax.types import Frontend

SMALL = {
    "clips": 10, "map_clips": 4, "plants": 6, "distorted": 2, "negatives": 4, "sanity_inputs": 4000,
    "sanity_seeds": 40, "dose_clips": 1,
}  # fmt: skip


def contest(name, n=240, k=12, seed=0):
    rng = np.random.default_rng(seed)
    snr = np.tile(np.asarray(metrics_plants.DEFINITION["snr_db"], float), n // 6)
    kind = np.where(np.arange(n) % 4 == 3, "warp", "none")
    negatives = np.tile(metrics_plants.DEFINITION["negatives"], 8)
    plants = metrics_plants.Plants(
        np.zeros((n + 40, 1, 1, 4), np.float32),
        np.concatenate([rng.integers(k, size=n), np.full(40, -1)]),
        np.concatenate([kind, negatives]),
        np.concatenate([snr, np.full(40, np.nan)]),
        np.zeros((n + 40, k), bool),
    )
    return trials.Contest(name, plants, np.arange(k), 0)


@pytest.fixture(scope="module")
def board():
    rng = np.random.default_rng(1)
    judged = {}
    for name in ("frame", "clip", "binary", "map"):
        neurons = contest(name)
        strength = judging.anchors(neurons, rng)
        oracle = strength["oracle"]
        for label, noise in (("good", 0.4), ("poor", 2.0), ("twin", 2.0)):
            strength[label] = oracle + noise * rng.random(oracle.shape)
        judged |= {(label, name): judging.judge(s, neurons) for label, s in strength.items()}
    return leaderboard.board(judged, [], {}, seed=0, parts=("plants",))


def test_oracle_is_one_and_chance_is_zero(board):
    for row in board:
        if row["metric"] == "oracle":
            assert row["total"] == pytest.approx(1)
        if row["metric"] == "random":
            assert abs(row["total"]) < 0.1


def test_ranks_are_tied_where_intervals_overlap(board):
    for track in leaderboard.TRACKS:
        rank = {r["metric"]: r["rank"] for r in board if r["track"] == track}
        assert rank["good"] == 1 and rank["poor"] == rank["twin"] == 2
        assert rank["oracle"] is None


def test_weights_are_those_of_a_mean():
    for weights in leaderboard.TRACKS.values():
        assert sum(weights.values()) == pytest.approx(1)


def test_auroc_counts_ties_half():
    assert trials.auroc(np.asarray([1.0, 2.0]), np.asarray([0.0, -np.inf])) == 1
    assert trials.auroc(np.ones(3), np.ones(2)) == 0.5


@pytest.fixture(scope="module")
def rows():
    return run.benchmark(metrics="pearson", seed=3, **SMALL)


@pytest.mark.long
def test_the_whole_benchmark_in_small(rows, tmp_path):
    picture = run.plot(rows, tmp_path / "metrics.png")
    page = (tmp_path / "metrics" / "index.html").read_text()
    assert picture.exists() and (tmp_path / "metrics" / "leaderboard.parquet").exists()
    for words in ("Vector track", "Clips to listen to", "transposition", metrics_plants.definition_hash()):
        assert words in page
    assert "pearson" in run.table(rows)
    assert csv_text(rows).count("\n") == len(rows) + 1


@pytest.mark.long
def test_planted_units_respond_to_what_they_score_on(rows):
    slopes = {
        (r["intervention"], r["target"]): r["slope"]
        for r in rows if r["part"] == "dose_response" and r["network"] == "features"
    }  # fmt: skip
    for cause, sign in (("gain", 1), ("tempo", 1), ("percussion", -1), ("brightness", 1)):
        target = causal.CAUSES[cause].target
        assert sign * slopes[cause, target] > 0.05
    assert abs(slopes["gain", "spectral_centroid"]) < 0.05 < slopes["gain", "rms"]


@pytest.mark.long
def test_who_cannot_take_part_is_named(rows):
    absent = {(r["comparison"], r["metric"]) for r in rows if r["part"] == "absent"}
    assert not absent
    assert {r["metric"] for r in rows if r["part"] == "leaderboard"} == {"pearson", *judging.ANCHORS}


def test_options_and_names_are_checked_before_anything_runs():
    with pytest.raises(ValueError, match="benchmark parts are"):
        run.benchmark(parts="all")
    with pytest.raises(lookup.UnknownNameError, match="unknown metric"):
        run.benchmark(metrics="persson")


def test_a_new_metric_file_takes_part_by_itself():
    assert set(run.entries_of("all")) == set(lookup.names("metric"))


class Loudest(nn.Module):
    """A network of the raw wave: the largest sample, by two units."""

    @nn.compact
    def __call__(self, wave_bcs, train=False):
        peak_b1 = jnp.abs(wave_bcs).max((1, 2))[:, None]
        return peak_b1, {"peaks": jnp.concatenate([peak_b1, 2 * peak_b1], 1)}


def test_units_of_a_network_of_the_raw_wave():
    frontend = Frontend(12_000, n_fft=1, hop_samples=1, n_mels=1, takes="wave")
    wave_bs = np.random.default_rng(0).uniform(-0.9, 0.9, (3, 400)).astype(np.float32)
    units = causal.module_units(Loudest(), {}, frontend)
    peak_b = np.abs(wave_bs).max(1)
    values = units(rendered.Clips(wave_bs, np.zeros(3, int), ("a", "b", "c")))
    np.testing.assert_allclose(values, np.stack([peak_b, 2 * peak_b], 1), rtol=1e-6)
