"""The two label checks: against published figures, closed forms and our own slow code."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from actjax import lookup
from actjax.benchmark.metrics import label_checks
from actjax.benchmark.metrics.published import DIFFERENT, PUBLISHED
from actjax.similarity import api

QUICK = ("accuracy", "f1", "pearson", "precision", "recall")
SAME = [label for label in PUBLISHED if label not in DIFFERENT]
# As many observations as were published; the long checks draw all seeds on a tenth of them too: where
# concepts still have 500 positives the mean change is the same.
PUBLISHED_INPUTS, INPUTS, FREQUENT = 500_000, 50_000, 0.01


def make(label):
    [(name, options)] = lookup.parse_specs(label)
    return api.make_metric(name, **options)


@pytest.fixture(scope="module")
def rows():
    entries = {name: api.make_metric(name) for name in (*QUICK, "kendall")}
    return label_checks.run(entries, seed=20250607, inputs=INPUTS)


@pytest.fixture(scope="module")
def one_seed():
    """Neurons of two frequencies, and each one's concept as it is, with labels lost, with labels gained."""
    rng, x, y = np.random.default_rng(0), [], []
    for gamma in (0.1, 0.01):
        p = int(gamma * PUBLISHED_INPUTS)
        neuron = np.zeros(PUBLISHED_INPUTS, np.float32)
        neuron[rng.choice(PUBLISHED_INPUTS, p, replace=False)] = 1
        lost = np.where(rng.random(PUBLISHED_INPUTS) < 0.5, 0, neuron)
        gained = np.where(rng.random(PUBLISHED_INPUTS) < p / (PUBLISHED_INPUTS - p), 1, neuron)
        x.append(neuron)
        y += [neuron, lost, gained]
    return np.stack(x, axis=1), np.stack(y, axis=1).astype(np.float32)


@pytest.mark.parametrize("label", SAME)
def test_one_seed_of_half_a_million_observations_changes_as_published(one_seed, label):
    """One draw keeps half of 5,000 labels give or take 35, by which no change moves more than 0.005."""
    metric = make(label)
    low, high, _ = metric.range
    score = api.score(*one_seed, metric)
    for column, gamma in enumerate((0.1, 0.01)):
        before, lost, gained = score[column, 3 * column : 3 * column + 3]
        for check, after in (("missing", lost), ("extra", gained)):
            width = high - low if np.isfinite(high - low) else 1
            published = PUBLISHED[label][check][label_checks.GAMMAS.index(gamma)]
            assert (after - before) / width == pytest.approx(published, abs=0.015), (check, gamma)


@pytest.mark.long
@pytest.mark.parametrize("name", QUICK)
def test_mean_changes_agree_with_the_published_figures(rows, name):
    for row in rows:
        if row["metric"] == name and row["gamma"] >= FREQUENT:
            assert row["delta"] == pytest.approx(row["published"], abs=0.003), row
            assert row["seeds"] == 1000 and row["inputs"] == INPUTS


@pytest.mark.long
@pytest.mark.parametrize("label", SAME)
def test_mean_changes_agree_at_every_frequency(label):
    for row in label_checks.run({label: make(label)}, seed=20250607, inputs=PUBLISHED_INPUTS):
        if row["gamma"] != label_checks.CONTINUOUS:
            tolerance = 0.01 if row["gamma"] == 0.0001 else 0.003
            assert row["delta"] == pytest.approx(row["published"], abs=tolerance), row


@pytest.mark.long
def test_verdicts_are_the_published_ones(rows):
    falls = {(r["metric"], r["check"], r["gamma"]): r["decrease"] for r in rows}
    for gamma in (0.499, 0.1, 0.01, 0.001):
        assert falls["precision", "missing", gamma] == 0 and falls["recall", "extra", gamma] == 0
        assert falls["f1", "missing", gamma] > 0.99 and falls["pearson", "extra", gamma] > 0.99
    assert falls["accuracy", "missing", 0.001] == 0


@pytest.mark.long
def test_kendall_equals_pearson_on_binary_sides(rows):
    delta = {(r["metric"], r["check"], r["gamma"]): r["delta"] for r in rows}
    for check in label_checks.CHECKS:
        for gamma in (0.499, 0.1, 0.01, 0.001):
            assert delta["kendall", check, gamma] == pytest.approx(delta["pearson", check, gamma], abs=5e-4)


def parted_by_noise(values, rng):
    """Ranks of float32 values plus noise up to 1e-7: at 0 all are parted, at 1 two values are left."""
    noisy = values + np.float32(1e-7) * rng.random(len(values), dtype=np.float32)
    ranks = np.empty(len(values))
    ranks[np.argsort(noisy, kind="stable")] = np.arange(len(values))
    return ranks


@pytest.mark.parametrize("check", label_checks.CHECKS)
def test_published_areas_and_rank_correlations_follow_from_how_ties_are_parted(check):
    """With ties parted so, and active inputs first, both have the published changes."""
    rng, n, gamma = np.random.default_rng(0), 500_000, label_checks.GAMMAS[0]
    p = int(gamma * n)
    x = (np.arange(n) < p).astype(np.float32)
    flips = rng.random(n) < np.where(x > 0, 0.5, p / (n - p))
    y = np.where(flips & (x == (check == "missing")), 1 - x, x)

    def area(concept):
        return (parted_by_noise(concept, rng)[:p].sum() - p * (p - 1) / 2) / (p * (n - p))

    def rho(concept):
        return np.corrcoef(parted_by_noise(x, rng), parted_by_noise(concept, rng))[0, 1]

    assert area(y) - area(x) == pytest.approx(PUBLISHED["auc"][check][0], abs=0.003)
    expected = PUBLISHED["spearman(ties='random')"][check][0]
    assert (rho(y) - rho(x)) / 2 == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("name", ["kendall", "distance_correlation"])
def test_tables_equal_the_metrics_own_code(name):
    rng = np.random.default_rng(0)
    x = (rng.random(300) < 0.2).astype(np.float32)
    y = np.where(rng.random(300) < 0.1, 1 - x, x)
    table = ((x * y).sum(), x.sum(), y.sum(), 300)
    assert make(name).of_table(*table) == pytest.approx(
        api.score(x[:, None], y[:, None], name)[0, 0], abs=1e-5
    )


def test_labels_are_lost_and_gained_as_drawn():
    rng = np.random.default_rng(1)
    for check, gamma, draws in label_checks._binary_draws(rng, 50, 2000):
        positives = draws.x_o1.sum()
        assert positives == max(2, int(gamma * 2000))
        np.testing.assert_array_equal(draws.y_oq[:, -1], draws.x_o1[:, 0])
        both = (draws.y_oq[:, :-1] * draws.x_o1).sum(0)
        np.testing.assert_array_equal(both, draws.nodes_q if check == "missing" else positives)
        added = positives if check == "missing" else positives + draws.nodes_q
        np.testing.assert_array_equal(draws.y_oq[:, :-1].sum(0), both if check == "missing" else added)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("f1", lambda x, y: f1_score(y, x)),
        ("inverse_auc", lambda x, y: roc_auc_score(y, x)),
        ("inverse_auprc", lambda x, y: average_precision_score(y, x)),
    ],
)
def test_scores_between_nodes_are_the_scores_of_all_draws(name, reference):
    rng = np.random.default_rng(2)
    for check, _, draws in label_checks._binary_draws(rng, 200, 3000):
        _, after = label_checks._binary_scores(api.make_metric(name), draws, check, False)
        for s in (0, 99, 199):
            order = np.argsort(-draws.x_o1[:, 0], kind="stable")
            positives, count = int(draws.x_o1.sum()), int(draws.counts_s[s])
            y = np.zeros(3000, int)
            y[order[: count if check == "missing" else positives + count]] = 1
            # Linear between 13 counts, the widest gap of which is a few per cent of the positives.
            if 0 < y.sum() < 3000 and positives >= 30:
                assert after[s] == pytest.approx(reference(draws.x_o1[:, 0], y), abs=4e-3)


def test_a_metric_that_samples_is_seen_to_do_so():
    assert label_checks.samples(api.make_metric("spearman", ties="random")) is True
    assert label_checks.samples(api.make_metric("spearman")) is False
    assert label_checks.samples(api.make_metric("partial_pearson")) is None


def test_every_published_row_names_a_metric_and_all_frequencies():
    for name, checks in PUBLISHED.items():
        assert name.split("(")[0] in api.list_metrics()
        assert all(len(figures) == len(label_checks.GAMMAS) for figures in checks.values())


@pytest.mark.parametrize(
    ("gamma", "draws"), [(0.499, 5), (0.1, 20), (0.01, 100), (0.001, 1000), (0.0001, 1000)]
)
def test_published_top_and_random_changes_follow_from_taking_all_active_inputs(gamma, draws):
    """Not 25 of the strongest, as in ours: on binary neurons all active inputs beside 25 random ones."""
    rng, n = np.random.default_rng(0), 500_000
    p = int(round(gamma * n))
    after = []
    for _ in range(draws):
        active = np.concatenate([np.ones(p, bool), rng.random(25) < gamma])
        kept = active & (rng.random(p + 25) < 0.5)
        after.append(np.corrcoef(active, kept)[0, 1])
    published = PUBLISHED["pearson_top_and_random"]["missing"][label_checks.GAMMAS.index(gamma)]
    assert (np.mean(after) - 1) / 2 == pytest.approx(published, abs=0.01 if gamma == 0.0001 else 0.003)
