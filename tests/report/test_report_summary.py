import numpy as np
import pytest
from synthetic_scores import blocks

from actjax.report import summary
from actjax.report.neurons import best_of_neurons
from actjax.report.summary import spread_of, summarise
from actjax.report.verdicts import sort_features, standard_errors_needed, verdict
from actjax.scores import files
from actjax.statistics import bootstrap


def table_of(made, tmp_path, recordings=400):
    files.write_scores(tmp_path / "scores" / "a.parquet", list(made), {"recordings": recordings})
    return files.load_scores(tmp_path)


def test_best_rows_agree_with_a_loop_over_all_rows(tmp_path):
    table = table_of(blocks(layers={"conv1": (0.3, 5), "conv2": (0.7, 4)}), tmp_path)
    # Rows in any order give the same answer.
    table = table.take(np.random.default_rng(0).permutation(len(table)))
    found = summarise(table)
    expected = {}
    for row in table.to_pylist():
        key = tuple(row[n] for n in ("view", "metric", "network", "layer", "feature", "neuron"))
        strength = abs(row["score"]) if found.signed[row["metric"]] else row["score"]
        if row["valid"] and strength > expected.get(key, (-1,))[0]:
            expected[key] = (strength, row["score"], row["row"])
    u = found.units
    seen = {}
    for i in np.flatnonzero(~np.isnan(u.strength)):
        s = found.sets[u.set[i]]
        place = (found.networks[u.network[i]], found.layers[u.layer[i]], found.features[u.feature[i]])
        seen[(s.view, s.metric, *place, u.neuron[i])] = (u.strength[i], u.score[i], u.row[i])
    assert seen == expected
    assert np.isnan(u.strength).any()


def test_order_is_that_of_the_network(tmp_path):
    made = list(blocks(layers={"zeta": (0.3, 3), "alpha": (0.9, 3)}))
    found = summarise(table_of(reversed(made), tmp_path))
    assert found.layers == ("input", "zeta", "alpha")
    assert found.networks == ("trained", "untrained", "input")
    assert [s.view for s in found.sets] == ["clip", "frame", "map"]
    assert found.leading() == [0, 1, 2]


def test_spread_agrees_with_numpy_percentiles():
    rng = np.random.default_rng(1)
    group, strength = rng.integers(0, 6, 200), rng.random(200).astype(np.float32)
    group[group == 3] = 4  # an empty group
    strength[group == 5] = np.nan  # one without a valid unit
    strength[:20:3] = np.nan
    found = spread_of(group, strength, (2, 3))
    for g in range(6):
        valid = strength[(group == g) & ~np.isnan(strength)]
        place = np.unravel_index(g, (2, 3))
        assert found.units[place] == np.sum(group == g) and found.valid[place] == len(valid)
        if len(valid):
            np.testing.assert_allclose(found.median[place], np.median(valid), rtol=1e-6)
            np.testing.assert_allclose(found.p90[place], np.percentile(valid, 90), rtol=1e-6)
            assert strength[found.unit[place]] == found.best[place] == valid.max()
        else:
            assert np.isnan(found.best[place]) and found.unit[place] == -1


def one_score(network, score, layer="conv1", std_error=0.005, p_maxt=None, **labels):
    outputs = {"score": np.array([[score]])}
    for name, value in (("std_error", std_error), ("p_maxt", p_maxt)):
        if value is not None:
            outputs[name] = np.array([[value]])
    labels = {"view": "frame", "metric": "pearson", "feature": "rms", "n_observations": 9} | labels
    return files.score_block(outputs, network=network, layer=layer, depth=0.5, **labels)


def test_where_only_the_input_s_own_rows_were_scored_neurons_stand_with_them(tmp_path):
    made = list(blocks(layers={"conv1": (0.3, 5)}, features={"log_mel": 24}))
    table = table_of(made, tmp_path)
    found = best_of_neurons(table, summarise(table))
    assert set(found.feature) == {"log_mel"} and np.isfinite(found.score).all()


@pytest.mark.parametrize(
    ("trained", "untrained", "bands", "words", "gain"),
    [
        (-0.8, 0.5, -0.6, "trained closer by 0.20", 0.2),
        (0.8, -0.79, 0.2, "untrained as close", 0.01),
        (0.5, 0.7, 0.51, "untrained closer, input as close", -0.2),
        (0.5, None, 0.9, "input closer", -0.4),
        (0.5, None, None, "no control scored", np.nan),
        (np.nan, 0.3, 0.2, "no trained score", np.nan),
    ],
)
def test_verdict_says_what_the_controls_do(tmp_path, trained, untrained, bands, words, gain):
    values = {"trained": trained, "untrained": untrained, "input": bands}
    made = [
        one_score(n, v, layer="input" if n == "input" else "c") for n, v in values.items() if v is not None
    ]
    found = verdict(summarise(table_of(made, tmp_path)), 0, 0)
    assert found.words == words
    np.testing.assert_allclose(found.gain, gain, atol=1e-6)


@pytest.mark.parametrize(
    ("std_error", "p", "recordings", "words", "announced"),
    [
        (0.01, None, 400, "trained closer by 0.20", True),
        (0.01, 0.04, 400, "trained closer by 0.20", True),
        (0.01, 0.7, 12, "+0.20, p 0.70", False),  # beyond the error, not beyond chance
        (0.1, 0.005, 400, "untrained as close", False),  # beyond chance, not beyond the error
        (0.055, None, 400, "trained closer by 0.20", True),
        (0.055, None, 12, "untrained as close", False),  # fewer recordings ask for more
        (None, 0.005, 400, "+0.20, no standard error", False),
        (0.01, 0.005, None, "+0.20, not tested", False),
        (0.01, 0.005, 1, "+0.20, not tested", False),
    ],
)
def test_a_gain_is_announced_beyond_error_and_chance_only(
    tmp_path, std_error, p, recordings, words, announced
):
    made = [
        one_score("trained", 0.6, std_error=std_error, p_maxt=p),
        one_score("untrained", 0.4, std_error=std_error, p_maxt=p),
    ]
    found = summarise(table_of(made, tmp_path, recordings))
    assert verdict(found, 0, 0).words == words and verdict(found, 0, 0).announced == announced
    sorted_ = sort_features(found, 0)
    assert bool(sorted_["gain"]) == announced
    assert bool(sorted_["open"]) == (not announced and words.startswith("+"))


def test_the_errors_needed_grow_with_the_scores_among_which_the_best_was_sought(tmp_path):
    from scipy import stats

    made = [
        one_score(n, s, feature=f"f{i}") for i in range(50) for n, s in (("trained", 0.5), ("input", 0.4))
    ]
    found = summarise(table_of(made, tmp_path))
    assert standard_errors_needed(found, 0) == pytest.approx(stats.t.ppf(1 - 0.05 / 200, 399), rel=1e-6)


def test_noise_announces_nothing(tmp_path):
    """Scores of 12 recordings that follow nothing: the best of many, none of which is a gain."""
    rng = np.random.default_rng(7)
    labels = {"depth": 0.5, "view": "clip", "part": "between", "metric": "pearson", "n_observations": 12}
    made = []
    for feature in ("a", "b", "c", "d"):
        for network, layer in (("trained", "conv1"), ("untrained", "conv1"), ("input", "bands")):
            x, y = rng.normal(size=(12, 1, 60)), rng.normal(size=(12, 1, 40))
            r = np.corrcoef(x[:, 0].T, y[:, 0].T)[:60, 60:]
            error = bootstrap.correlation_errors(x, y, np.ones((12, 1), bool), range(12), centre="all")
            outputs = {"score": r, "std_error": error}
            made.append(files.score_block(outputs, network=network, layer=layer, feature=feature, **labels))
    found = summarise(table_of(made, tmp_path, recordings=12))
    assert sort_features(found, 0)["gain"] == []


def test_an_unsigned_metric_is_not_ranked_by_size_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(summary, "_is_signed", lambda metric: metric != "cka")
    made = [
        one_score("trained", -0.9, layer="a", metric="cka"),
        one_score("trained", 0.1, layer="b", metric="cka"),
    ]
    found = summarise(table_of(made, tmp_path))
    best = found.units
    i = found.best_of(0, 0, 0)
    assert found.layers[best.layer[i]] == "b" and best.score[i] == np.float32(0.1)


def test_a_network_of_another_name_stands_in_for_the_trained_one(tmp_path):
    found = summarise(
        table_of([one_score("external", 0.7), one_score("input", 0.2, layer="input")], tmp_path)
    )
    assert found.main == "external"
    assert verdict(found, 0, 0).words == "external closer by 0.50"
