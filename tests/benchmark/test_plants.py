"""Planted neurons: the frozen definition, the SNR, distortions, and who is found."""

import numpy as np
import pytest
from scipy import stats

from actjax.benchmark.metrics import judging, trials
from actjax.benchmark.metrics import plants as plants_v1
from actjax.benchmark.metrics.rendered import Material
from actjax.similarity import api

FROZEN = "d3de46bf31a57f2a8fa86e688bf4f0367bc58443335af52d131c69ad4cd221c1"


def material(rng, b=10, k=6, t=40):
    """Features that are independent smooth noise, and images likewise."""
    rows = np.cumsum(rng.normal(size=(b, k, t)), -1)
    names = ("rms", "onset_strength", "a", "b", "c", "d")
    images = np.cumsum(rng.normal(size=(b, 3, 24, t)), -1)
    return Material(
        rows, names, images, ("log_mel", "x", "y"), rng.normal(size=(b, 24, t)), np.arange(b) % 12
    )


def test_the_definition_of_plants_v1_is_frozen():
    assert plants_v1.DEFINITION["name"] == "plants-v1"
    assert plants_v1.definition_hash() == FROZEN, "a changed definition is a new version: give it a new name"
    assert plants_v1.definition_hash({**plants_v1.DEFINITION, "cluster_at": 0.8}) != FROZEN


@pytest.mark.parametrize("snr_db", [-20, 0, 10, 30])
def test_noise_has_the_spectrum_and_the_level_that_were_asked_for(snr_db):
    rng = np.random.default_rng(0)
    signal = plants_v1.standardise(np.cumsum(rng.normal(size=(40, 1, 64)), -1))
    noise = plants_v1.noisy(rng, signal, snr_db) - signal
    within = signal - signal.mean((1, 2), keepdims=True)
    assert 10 * np.log10(np.mean(within**2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.05)
    power = [np.mean(np.abs(np.fft.rfft(part[:, 0])) ** 2, 0)[1:] for part in (within, noise)]
    ratio = power[0] / power[1] / 10 ** (snr_db / 10)
    np.testing.assert_allclose(ratio, 1, rtol=0.02)
    assert abs(np.corrcoef(within.ravel(), noise.ravel())[0, 1]) < 0.3


def test_neither_plants_nor_negatives_are_known_by_their_size():
    found = material(np.random.default_rng(0))
    clusters = np.arange(found.rows_bkt.shape[1])
    rows = found.rows_bkt[:, :, None]
    planted = plants_v1.plant(np.random.default_rng(1), rows, clusters, each=2, distorted=1)
    shared = {"loudness": [0], "onset": [1]}
    wrong = plants_v1.negatives(np.random.default_rng(2), found, clusters, shared, 2, as_images=False)
    for plants in (planted, wrong):
        x = plants.x_nbft
        np.testing.assert_allclose(x.reshape(len(x), -1).std(axis=1), 1, rtol=1e-5)


def test_distortions_do_what_their_names_say():
    rng = np.random.default_rng(1)
    z = plants_v1.standardise(rng.normal(size=(5, 3, 40)))
    other = rng.normal(size=z.shape)
    warp, flip, lag = (plants_v1.distort(kind, z, other) for kind in ("warp", "flip", "lag"))
    assert stats.spearmanr(warp.ravel(), z.ravel())[0] == pytest.approx(1, abs=1e-9)
    assert stats.pearsonr(warp.ravel(), z.ravel())[0] < 0.9
    np.testing.assert_allclose(flip, -z)
    np.testing.assert_allclose(lag[..., 2:], z[..., :-2])
    np.testing.assert_allclose(plants_v1.distort("frequency shift", z, other)[:, 2], z[:, 0])
    assert (plants_v1.distort("rectified", z, other) == 0).mean() == pytest.approx((z <= 0.5).mean())
    assert plants_v1.distort("sparse", z, other).mean() == pytest.approx(0.1, abs=0.01)
    assert plants_v1.distort("pooling", z, other).std() < 0.5
    mixture = plants_v1.distort("mixture", z, other)
    assert 0.5 < stats.pearsonr(mixture.ravel(), z.ravel())[0] < 0.95


def test_clusters_link_what_ranks_link():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(8, 1, 1, 50))
    near = np.exp(base) + 0.01 * rng.normal(size=base.shape)
    far = rng.normal(size=base.shape)
    found = plants_v1.clusters(np.concatenate([base, far, -near], 1), 0.9)
    assert found[0] == found[2] != found[1]


def test_ties_share_places_and_hits():
    plants = plants_v1.Plants(
        np.zeros((3, 1, 1, 4), np.float32),
        np.asarray([0, 1, -1]),
        np.asarray(["none", "none", "class"]),
        np.asarray([10.0, 10.0, np.nan]),
        np.zeros((3, 3), bool),
    )
    contest = trials.Contest("frame", plants, np.asarray([0, 1, 2]), 0)
    strength = np.asarray([[1.0, 1.0, 0.0], [3.0, 2.0, 1.0], [0.0, -np.inf, 0.5]])
    rank, hit = trials.ranks(strength, contest)
    np.testing.assert_allclose(rank, [1.5, 2])
    np.testing.assert_allclose(hit, [0.5, 0])
    np.testing.assert_allclose(trials.claims(strength, contest), [1, 3, 0.5])
    constant = trials.ranks(np.zeros((3, 3)), contest)[1]
    np.testing.assert_allclose(constant, 1 / 3)


def test_claims_leave_out_what_a_negative_does_share():
    rng = np.random.default_rng(3)
    made = material(rng)
    cluster = np.arange(6)
    trial = trials.of_frames(rng, made, cluster, trials.Counts(2, 1, 3))
    contest = trial.contests[0].contest
    strength = np.zeros((len(contest.plants.source_n), 6))
    strength[:, 0] = 1.0
    claims = trials.claims(strength, contest)
    loud = contest.plants.kind_n == "loudness"
    assert loud.sum() == 3 and (claims[loud] == 0).all()
    assert (claims[contest.plants.kind_n == "class"] == 1).all()


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_sound_metric_finds_undistorted_plants(name):
    rng = np.random.default_rng(4)
    trial = trials.of_frames(rng, material(rng), np.arange(6), trials.Counts(6, 1, 2))
    scored = trials.run(trial, api.make_metric(name))
    contest, neurons, candidates = trial.contests[0]
    judged = judging.judge(scored.strength_nk[neurons, candidates], contest)
    for snr in (10, 30):
        assert judging.recall_at(judged, "none", snr)[0] == 1
    assert judging.recall_at(judged, "none", -20)[0] < 1
    assert scored.seconds > 0


def test_a_metric_without_the_view_says_so():
    rng = np.random.default_rng(5)
    trial = trials.of_maps(rng, material(rng), np.arange(3), trials.Counts(1, 1, 1))
    assert "no map view" in trials.run(trial, api.make_metric("kendall"))
