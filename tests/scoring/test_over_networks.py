"""p-values over the networks of several runs, from what each run keeps: those of all replicates at once."""

import numpy as np
import pytest

from actjax.scoring.over_networks import RunTests, corrected
from actjax.statistics import corrections, families
from actjax.workdir import score_nulls
from actjax.workdir.score_nulls import Family, Replicates

R, N, K = 39, 4, 3
FAMILY = Family("trained", "conv1", "clip", "pearson")


def scores_of(rng, planted):
    """[1 + R, N, K]: noise that all pairs share in part, and one pair that stands out; one is constant."""
    scores = 0.1 * (rng.normal(size=(1 + R, N, K)) + rng.normal(size=(1 + R, 1, 1)))
    scores[0, 1, 2] += planted
    scores[:, 3, 0] = 0.25
    return scores.astype(np.float32)


def kept_of(scores, signed, folder):
    """What a run keeps of its tests, read from its file."""
    null = families.reduce_replicates(scores, signed=signed)
    bins = np.flatnonzero(null.counts)
    replicates = {FAMILY: Replicates(null.max_r, bins, null.counts[bins])}
    path = score_nulls.write(folder / "a.nulls.npz", score_nulls.ScoreNulls("ab", replicates))
    read = score_nulls.read(path)
    assert read.draws == "ab"
    tested = np.isfinite(null.p)
    neuron, row = np.nonzero(tested)
    columns = {name: np.full(len(row), value, object) for name, value in FAMILY._asdict().items()}
    columns |= {"feature": np.full(len(row), "rms", object), "row_name": np.full(len(row), "all", object)}
    numbers = {"score": null.score, "null_mean": null.mean, "null_std": null.std, "p_value": null.p}
    columns |= {name: np.asarray(values)[tested] for name, values in (numbers | {"p_maxt": null.p}).items()}
    return RunTests(columns | {"neuron": neuron, "row": row}, read.families)


@pytest.mark.parametrize("signed", [True, False])
def test_p_values_over_networks_are_those_of_all_replicates_at_once(signed, tmp_path):
    rng = np.random.default_rng(3)
    each = [scores_of(rng, planted) for planted in (1.0, 0.0, -0.6)]
    members = {f"seed{i}": kept_of(scores, signed, tmp_path) for i, scores in enumerate(each)}
    rows = corrected(members, {"pearson": signed})
    # In float64, from all replicates of all networks.
    joined = np.concatenate([scores.reshape(1 + R, -1) for scores in each], axis=1).astype(np.float64)
    joined = joined[:, joined.std(axis=0) > 0]
    t = (joined - joined.mean(axis=0)) / joined.std(axis=0)
    t = np.abs(t) if signed else t
    largest = t[1:].max(axis=1)
    expected = (1 + (largest[:, None] >= t[:1] - 1e-4).sum(axis=0)) / (R + 1)
    np.testing.assert_allclose(rows["group_p_maxt"], expected, atol=1e-6)
    assert expected.min() == 1 / (R + 1) and len(expected) == 3 * (N * K - 1)
    assert rows["variant"].tolist() == np.repeat(["seed0", "seed1", "seed2"], N * K - 1).tolist()
    pooled = (1 + (t[1:].ravel()[:, None] >= t[0]).sum(axis=0)) / (1 + t[1:].size)
    # Histograms count the rest of a bin too, 1 / 256 of a deviation.
    np.testing.assert_allclose(rows["group_q_value"], corrections.benjamini_hochberg(pooled), atol=0.01)
