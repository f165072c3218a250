"""How far two fonts agree: planted scores give the shares that were planted; mistakes are one line."""

import json
import shutil

import numpy as np
import scipy.stats

from actjax.data.gm import sound_fonts
from actjax.defaults import default_config
from actjax.replication import agreement, second_font
from actjax.replication.__main__ import main
from actjax.scores.files import load_scores, score_block, write_scores

RNG = np.random.default_rng(0)
NEURONS, ROWS = 40, 6
LABELS = {"view": "frame", "metric": "pearson", "n_observations": 100}


def write(folder, scores):
    """A score set of two networks: layer conv1, features a and b of three rows each."""
    blocks = [
        score_block(
            {"score": scores[network][:, 3 * i : 3 * i + 3]},
            network=network, layer="conv1", depth=0.5, feature=feature, **LABELS,
        )
        for network in ("trained", "untrained", "input")
        for i, feature in enumerate("ab")
    ]  # fmt: skip
    write_scores(folder / "scores" / "first.parquet", blocks, {})
    return load_scores(folder)


def test_agreement_is_what_was_planted(tmp_path):
    first = RNG.uniform(-1, 1, (NEURONS, ROWS))
    other = first + RNG.normal(0, 0.3, first.shape)
    other[3, 2] = first[5] = np.nan
    same = {"trained": first, "untrained": first, "input": first}
    tables = write(tmp_path / "a", same), write(tmp_path / "b", {**same, "trained": other})
    rows = {row["network"]: row for row in agreement.score_rows(*tables)}
    assert set(rows) == {"trained", "untrained"}
    perfect = rows["untrained"]
    assert perfect["same_row"] == perfect["same_feature"] == perfect["best_neuron"] == 1
    assert np.isclose(perfect["rank"], 1) and np.isclose(perfect["r"], 1)
    trained = rows["trained"]
    x, y = np.abs(np.delete(first, 5, 0)), np.abs(np.delete(other, 5, 0))
    both = np.isfinite(y)
    x, y = np.where(both, x, -1), np.where(both, y, -1)
    best = x.argmax(1), y.argmax(1)
    assert np.isclose(trained["same_row"], np.mean(best[0] == best[1]))
    assert np.isclose(trained["same_feature"], np.mean(best[0] // 3 == best[1] // 3))
    expected = [scipy.stats.spearmanr(a[m], b[m])[0] for a, b, m in zip(x, y, both, strict=True)]
    assert np.isclose(trained["rank"], np.mean(expected))
    place = (y > y[x.argmax(0), np.arange(ROWS)]).sum(0)
    assert np.isclose(trained["best_neuron"], np.mean(place < 5)) and trained["neurons"] == NEURONS


def test_what_only_one_side_has_is_left_out():
    x = agreement.Profiles((("a", 0), ("a", 1), ("b", 0)), (("f", 0), ("g", 0)), np.arange(6.0).reshape(3, 2))
    y = agreement.Profiles((("b", 0), ("a", 0)), (("g", 0), ("h", 0)), np.arange(4.0).reshape(2, 2))
    one, other = agreement._aligned(x, y)
    assert one.neurons == other.neurons == (("a", 0), ("b", 0)) and one.features == (("g", 0),)
    assert one.score_nk.tolist() == [[1.0], [5.0]] and other.score_nk.tolist() == [[2.0], [0.0]]


def claim(verdict, effect, value):
    answer = {"verdict": verdict, "effect": effect, "low": 0.0, "high": 1.0, "control": "untrained"}
    scores = {"trained": {"value": value, "low": 0.0, "high": 1.0}}
    return {
        "finding": 1,
        "part": "loudness",
        "title": "loudness",
        "answers": {"training": answer},
        "scores": scores,
    }


def test_findings_stand_side_by_side():
    first, second = {"parts": [claim("holds", 0.2, 0.5)]}, {"parts": [claim("weakly", 0.1, 0.4)]}
    [row] = agreement.finding_rows(first, second)
    assert (row["first"], row["second"]) == ("holds", "weakly")
    assert (row["first_effect"], row["second_effect"], row["second_score"]) == (0.2, 0.1, 0.4)
    assert not list(agreement.finding_rows(first, {"parts": []}))


def test_mistakes_are_one_line(tmp_path, capsys):
    font = tmp_path / "font.sf2"
    shutil.copy(sound_fonts.built_in(), font)

    def run(**options):
        asked = {"workdir": tmp_path, "sound_font": font} | options
        assert main([f"--{key}={value}" for key, value in asked.items()]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        return error

    assert "no stage ran in" in run()
    config = default_config()
    recorded = {"latest": {key: value for key, value in config.to_dict().items() if key == "seed"}}
    (tmp_path / "config.json").write_text(json.dumps(recorded))
    assert "there is no file" in run(sound_font=tmp_path / "none.sf2")
    assert "holds no trained network" in run()
    (tmp_path / "train.json").write_text("{}")
    recorded["latest"] = {"data.name": "audio_folder(path='sounds')"}
    (tmp_path / "config.json").write_text(json.dumps(recorded))
    assert "for runs on gm_instruments; this one is on audio_folder" in run()


def test_the_font_stands_among_the_options_of_the_data_set(tmp_path):
    config = default_config()
    config.data.name = "gm_instruments(holdout_programs=True)"
    second_font._with_font(config, tmp_path / "it's.sf2")
    [(name, options)] = second_font.lookup.parse_specs(config.data.name)
    assert name == "gm_instruments" and options["holdout_programs"] is True
    assert options["sound_font"] == str(tmp_path / "it's.sf2")
