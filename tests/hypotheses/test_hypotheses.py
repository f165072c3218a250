"""Hypotheses: the file, the verdicts on scores whose answers are known, the table, page and picture."""

import numpy as np
import pytest

from actjax.extraction.shared import PITCH_CLASSES
from actjax.files import FileError
from actjax.hypotheses import judged, known_units, pitch_classes, statements
from actjax.report import hypotheses as pages
from actjax.scores.files import load_scores, score_block, write_scores
from actjax.workdir import hypotheses_table

HEAD = ",".join(statements.COLUMNS)
OUTPUTS = ("loud", "quiet", "flute", "dead")


def write_table(folder, scores, layer="tags", view="clip", network="trained", metric="pearson", p=0.001):
    """Scores [units, rows] of features a (one row) and b (the others), with their null."""
    blocks = []
    for feature, values, names in (("a", scores[:, :1], ["a"]), ("b", scores[:, 1:], ["C", "C#"])):
        outputs = {
            "score": values,
            "null_std": np.full(values.shape, 0.1),
            "p_maxt": np.where(np.abs(values) > 0.3, p, 0.6),
        }
        blocks.append(
            score_block(outputs, n_observations=9, row_names=names, network=network, layer=layer, depth=0.5,
                        feature=feature, view=view, metric=metric)
        )  # fmt: skip
    write_scores(folder / "scores" / f"{network}-{metric}-{layer}-{view}.parquet", blocks, {})


def stated(**changes):
    given = {"network": "net", "layer": "tags", "against": "", "unit": "loud", "view": "clip", "feature": "a"}
    return statements.Hypothesis(**(given | {"row": "", "sign": "+", "because": "it is"} | changes))


@pytest.fixture
def table(tmp_path):
    scores = np.array([[0.8, 0.1, 0.9], [-0.7, 0.2, 0.1], [0.1, 0.2, 0.5], [np.nan] * 3], np.float32)
    write_table(tmp_path, scores)
    write_table(tmp_path, 0.5 + scores / 2, metric="inverse_auc")
    write_table(tmp_path, scores * 0.1, network="untrained")
    return load_scores(tmp_path)


def test_verdicts(table):
    asked = [
        stated(),
        stated(unit="quiet", sign="-"),
        stated(unit="quiet"),
        stated(unit="2"),
        stated(unit="flute", feature="b"),
        stated(unit="flute", feature="b", row="C"),
        stated(unit="dead"),
        stated(feature="c"),
    ]
    got = judged.judge(table, asked, OUTPUTS)
    assert [one.verdict for one in got] == [
        *("confirmed", "confirmed", "other sign", "not beyond chance", "confirmed", "not beyond chance"),
        *("undefined", "not scored"),
    ]
    loud, quiet = got[:2]
    assert (loud.rank, loud.rows, loud.best) == (2, 3, "b C# +0.90")
    assert loud.area == pytest.approx(0.9) and quiet.area == pytest.approx(1 - 0.15)
    assert loud.twin == pytest.approx(0.08) and loud.null_std == pytest.approx(0.1)
    assert got[4].score == pytest.approx(0.5), "of any row the strongest of the expected sign"
    assert judged.summary(got).startswith("hypotheses: 3 of 8 confirmed\n  other sign: quiet + a: -0.70")
    with pytest.raises(ValueError, match="expected an output of net or a number, got the unit 'piano'"):
        judged.judge(table, [stated(unit="piano")], OUTPUTS)


def test_which_metric_puts_the_known_row_first(table):
    asked = [stated(), stated(unit="quiet"), stated(unit="flute", feature="b"), stated(unit="dead")]
    by_metric = {one.metric: one for one in known_units.standings(table, asked, OUTPUTS)}
    assert set(by_metric) == {"pearson", "inverse_auc"}
    pearson = by_metric["pearson"]
    assert (pearson.units, pearson.rows, pearson.median) == (3, 3, 1) and pearson.first == pytest.approx(
        2 / 3
    )
    assert pearson.reciprocal == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert "pearson" in known_units.text_of([pearson])


def test_two_groups_of_units(tmp_path):
    rng = np.random.default_rng(0)
    for layer, level in (("tall", 0.6), ("long64", 0.2), ("long32", 0.2)):
        write_table(tmp_path, rng.normal(level, 0.1, (30, 3)).astype(np.float32), layer=layer, view="frame")
    scores = load_scores(tmp_path)
    groups = {"layer": "tall", "against": "long.*", "unit": "", "view": "frame"}
    up, down = judged.judge(scores, [stated(**groups), stated(**groups | {"sign": "-"})], ())
    assert (
        up.verdict == "confirmed"
        and up.score == pytest.approx(0.4, abs=0.05)
        and up.p == 1e-4
        and up.area > 0.99
    )
    assert down.verdict == "other sign"


def test_pitch_classes_of_bins(tmp_path):
    names = [f"{440 * 2 ** (i / 36):.1f} Hz" for i in range(36)]
    scores = np.full((36, 12), 0.1, np.float32)
    for i in range(36):
        scores[i, (9 + round(i / 3)) % 12] = 0.5
    scores[3, 2] = 0.9  # A#, which follows D
    scores[30:] = 0.15
    labels = {"network": "trained", "layer": "pitch", "depth": 1, "feature": "chroma_cqt", "view": "frame"}
    of_block = {"n_observations": 9, "row_names": list(PITCH_CLASSES), "metric": "pearson"}
    # A shallower layer, of more units than there are outputs, is not of the bins.
    shallow = labels | {"layer": "conv", "depth": 0.5}
    blocks = [
        score_block({"score": scores}, **of_block, **labels),
        score_block({"score": np.full((50, 12), 0.9, np.float32)}, **of_block, **shallow),
    ]
    write_scores(tmp_path / "scores" / "x.parquet", blocks, {})
    assert pitch_classes.follow(load_scores(tmp_path), names) == pitch_classes.PitchClasses(30, 29, 10, 9)
    assert pitch_classes.follow(load_scores(tmp_path), OUTPUTS) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a,b", "expected the columns network,layer"),
        (f"{HEAD}\nnet,tags,,loud,clip,a,,+", "line 2: expected 9 cells, got 8"),
        (f"{HEAD}\n\nnet,tags,,loud,map,a,,+,x", "line 3: view knows clip, frame; got 'map'"),
        (f"{HEAD}\nnet,tags,,loud,clip,a,,~,x", r"line 2: sign knows \+, -; got '~'"),
        (f"{HEAD}\nnet,tags,,,clip,a,,+,x", "line 2: expected a unit, or another group"),
        (f"{HEAD}\nnet,tags,,loud,clip,a,,+,x", "no hypothesis of the network 'other'; known: net"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_one_line(tmp_path, lines, said):
    path = tmp_path / "h.csv"
    path.write_text(lines)
    with pytest.raises(FileError, match=said):
        statements.of_network(path, "other")
    assert statements.commit_of(path) in ("in no repository", "not committed as it is")


def test_the_table_is_read_as_written_and_shown(table, tmp_path):
    got = judged.judge(table, [stated(), stated(unit="quiet"), stated(unit="dead")], OUTPUTS)
    hypotheses_table.write(tmp_path, (judged.line_of(one, "abc 2026") for one in got))
    lines = hypotheses_table.read(tmp_path)
    assert [line["verdict"] for line in lines] == ["confirmed", "other sign", "undefined"]
    assert lines[0]["score"] == "0.8" and lines[2]["score"] == "" and lines[0]["commit"] == "abc 2026"
    written = pages.build(tmp_path)
    page = written[0].read_text()
    assert "Confirmed: 1 of 3 (0.33)." in page and "tags quiet" in page and "abc 2026" in page
    assert written[2].stat().st_size > 10_000
    assert "the unit is constant, or was not scored" in page and "the other way (" in page
    assert pages.seen(lines).endswith("Not confirmed: tags quiet (other sign), tags dead (undefined).")
    assert pages.seen(lines[:1]).endswith("Confirmed: 1 of 1 (1.00).")
    again = hypotheses_table.join(tmp_path / "both", [tmp_path, tmp_path / "nothing"])
    assert again is not None and hypotheses_table.read(tmp_path / "both") == lines
    hypotheses_table.path_of(tmp_path).write_text("network,score\na,b\n")
    with pytest.raises(FileError, match="run --stage=hypotheses again"):
        hypotheses_table.read(tmp_path)


ALONE, NEARER = "beyond its own null alone (4.0 deviations)", "closer to rms \u22120.30"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, f"{ALONE}; {NEARER}"),
        ({"rank": "1"}, f"{ALONE}; no row is closer"),
        ({"score": "0.05", "twin": ""}, f"within its own null (1.0 deviations); {NEARER}"),
        ({"sign": "-"}, f"the other way (4.0 deviations); {NEARER}"),
        ({"twin": "0.25"}, f"{ALONE}; {NEARER}; the untrained twin has +0.25"),
        (
            {"sign": "-", "score": "-0.2", "twin": "-0.25"},
            f"{ALONE}; {NEARER}; the untrained twin has \u22120.25",
        ),
        ({"against": "timbral", "best": "t 0.1, u 0.2"}, f"{ALONE}; closest rows on average: t 0.1, u 0.2"),
        ({"verdict": "confirmed"}, ""),
        ({"score": "", "p": ""}, "the unit is constant, or was not scored"),
    ],
)
def test_every_failure_has_its_reason(changed, said):
    line = dict.fromkeys(hypotheses_table.COLUMNS, "") | {
        "sign": "+",
        "score": "0.2",
        "null_std": "0.05",
        "p": "0.2",
        "rank": "3",
        "best": "rms -0.30",
        "verdict": "not beyond chance",
        "twin": "0.1",
    }
    assert pages.reason(line | changed) == said
