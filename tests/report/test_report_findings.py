"""The findings' table, forest plot and page section from a table as the stage writes it."""

import json

import numpy as np
import pytest

from actjax import files, report
from actjax.findings import summary
from actjax.pages.rows import csv_text
from actjax.report import findings, forest, page
from actjax.workdir import benchmark_table, findings_arrays, findings_table


def line(value, members=1, replicates=100, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([np.r_[value, value + rng.normal(0, 0.01, replicates)] for _ in range(members)])


def arrays(loudness=0.3):
    def part(trained, control):
        null = np.r_[trained, np.random.default_rng(1).normal(0, 0.02, 199)]
        kinds = {"trained": line(trained), "untrained": line(control, 3), "rotated": line(control - 0.1, 4)}
        return {**kinds, "input": line(control - 0.2), "null": null}

    return {
        "harmonic_or_percussive": part(0.5, 0.3),
        "chroma_geometry": part(0.3, 0.28),
        "loudness": part(loudness, 0.7),
        "one_unit_of_all": part(0.6, 0.6),
    }


def table(seeds=1):
    about = {
        "layer": "conv1",
        "neuron": 3,
        "row": "chroma",
        "chosen_in": 0.7,
        "ridge": 0.8,
        "share_above": {"conv1": 0.4},
        "eta2_neuron": 0.2,
        "eta2_feature": 0.3,
    }
    options = {"findings": {"untrained": 3, "replicates": 199}}
    claims, concluded = summary.conclude([arrays() for _ in range(seeds)])
    return {
        "parts": claims,
        "findings": concluded,
        "seeds": list(range(seeds)),
        "options": options,
        "clips": 40,
        "recordings": 40,
        "permuted": "within_class",
        "details": {claim["part"]: about for claim in claims},
        "grid": {"conv1": {"harmonic": 0.9, "percussive": 0.8}},
        "not_made": ["conv4: its bands lie 4.0 semitones apart"],
    }


def test_answers_follow_from_the_arrays():
    found = {row["finding"]: tuple(row["answers"].values()) for row in table()["findings"]}
    assert list(table()["findings"][0]["answers"]) == list(findings_table.QUESTIONS)
    # The controls lie 0.1 lower where channels are mixed, 0.2 lower in the input.
    assert found[1] == ("yes", "yes", "yes", "yes") and found[2] == ("yes", "weakly", "yes", "yes")
    assert found[3] == ("yes", "less", "less", "less") and found[4] == ("yes", "no", "yes", "yes")


def test_what_training_adds_may_be_in_the_input_already():
    """Chroma in deep maps: 0.46 trained, 0.33 untrained, 0.61 input; no row says "reversed" of it."""
    of_chroma = arrays()["chroma_geometry"] | {"trained": line(0.46), "untrained": line(0.33, 3)}
    of_chroma |= {"rotated": line(0.45, 4), "input": line(0.61)}
    [claim], [finding] = summary.conclude([{"chroma_geometry": of_chroma}])
    assert {q: a["verdict"] for q, a in claim["answers"].items()} == finding["answers"]
    assert finding["answers"] == {"chance": "yes", "training": "yes", "single": "no", "input": "less"}
    assert claim["answers"]["training"]["control"] == "untrained"
    assert claim["answers"]["training"]["effect"] == pytest.approx(0.13)


def test_one_network_without_a_score_does_not_take_its_control_away():
    lacking = arrays()
    lacking["loudness"]["untrained"] = lacking["loudness"]["untrained"].copy()
    lacking["loudness"]["untrained"][1] = np.nan
    claims, concluded = summary.conclude([lacking])
    (part,) = [claim for claim in claims if claim["part"] == "loudness"]
    left = lacking["loudness"]["untrained"][[0, 2], 0]
    answer = part["answers"]["training"]
    assert answer["control"] == "untrained" and part["scores"]["untrained"]["undefined"] == 1
    assert part["scores"]["untrained"]["value"] == pytest.approx(left.mean())
    assert answer["effect"] == pytest.approx(lacking["loudness"]["trained"][0, 0] - left.mean())
    said = "loudness: 1 of 3 untrained networks have no score; the mean is of the others"
    made = table() | {"parts": claims, "findings": concluded}
    assert findings.undefined(made) == [said] and said in findings.console(made)


def test_holm_needs_enough_replicates():
    few = {name: {k: v[..., :50] for k, v in kinds.items()} for name, kinds in arrays().items()}
    with pytest.raises(ValueError, match="needs at least 79 replicates"):
        summary.conclude([few])


def test_console_names_differences_controls_and_answers():
    text = findings.console(table())
    assert "one seed, 3 initialisations, R = 199" in text
    assert "YES, p 0.0" in text and "LESS" in text
    assert "−0.40" in text and "untrained" in text
    assert "not made: conv4" in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("seeds", [1, 5])
def test_forest_plot_and_section(tmp_path, seeds):
    path = forest.forest(table(seeds), tmp_path / "forest.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    section = page.front(table(seeds), None, [page.Picture("forest", path)])
    assert section.count("<img") == 1
    assert ("four of five seeds" in section) == (seeds == 5)
    assert "Grid" not in section and "harmonic 0.90" in section


def test_a_sweep_gets_a_page_of_its_own(tmp_path):
    findings_table.write(tmp_path, table(5))
    written = report.build_sweep(tmp_path)
    assert {p.name for p in written} == {"index.html", "tables.txt", "forest.png"}
    assert "5 seeds" in (tmp_path / "report" / "index.html").read_text()


def test_calibration_table_where_there_is_one(tmp_path):
    assert findings.calibration_table(tmp_path) is None
    names = ("check", "family", "null", "sets", "rate", "low", "high")
    lines = [
        ("rejections", "slow_drift", "within_class", 1000, 0.045, 0.034, 0.06),
        ("false discoveries", "plants", "within_class", 1000, 0.09, 0.085, 0.095),
    ]
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    benchmark_table.write(tmp_path, "calibration", csv_text=csv_text(rows), markdown="")
    table = findings.calibration_table(tmp_path)
    assert table.rows == [("slow drift", "0.045 (0.034 to 0.060)")]
    assert "0.090 (0.085 to 0.095)" in table.note and "1000 null sets" in table.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("findings"), "findings"),
        (lambda t: t["findings"][0]["answers"].update(single="perhaps"), "expected one of yes"),
        (lambda t: t["findings"][0]["answers"].update(why="yes"), "expected one of chance"),
        (lambda t: t["parts"][0].update(scores=3), "the table of the findings"),
        (lambda t: t["parts"][0]["scores"]["trained"].update(low="low"), "the table of the findings"),
        (lambda t: t.update(details={}), "the table of the findings"),
        (lambda t: t.update(permuted="twice"), "the table of the findings"),
        (lambda t: t.update(seeds=3), "the table of the findings"),
    ],
)
def test_a_damaged_table_is_one_line_that_names_its_file(tmp_path, change, message):
    made = json.loads(json.dumps(table()))
    path = findings_table.write(tmp_path, made)
    assert findings_table.read(tmp_path)["parts"]
    change(made)
    files.write_json(path, made)
    with pytest.raises(files.FileError, match=message) as error:
        findings_table.read(tmp_path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["check\n", "", "check,family,null\nrejections,a,b\n"])
def test_a_damaged_calibration_table_is_named(tmp_path, text):
    benchmark_table.write(tmp_path, "calibration", csv_text=text, markdown="")
    with pytest.raises(files.FileError, match=r"calibration.csv"):
        findings.calibration_table(tmp_path)


def test_damaged_arrays_are_named(tmp_path):
    path = findings_arrays.write(tmp_path, arrays())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(files.FileError, match="arrays.npz"):
        findings_arrays.read(tmp_path)


@pytest.mark.parametrize("undefined", [0.05, 0.5])
def test_an_interval_that_there_is_not_says_why(undefined):
    few = arrays()
    few["loudness"]["trained"] = few["loudness"]["trained"].copy()
    few["loudness"]["trained"][0, 1 : 1 + int(undefined * 100)] = np.nan
    claims, concluded = summary.conclude([few])
    made = table() | {"parts": claims, "findings": concluded}
    said = [line for line in findings.undefined(made) if "no interval" in line]
    text = findings.console(made)
    assert "- to -" not in text and bool(said) == (undefined > 0.1)
    if said:
        assert "more than a tenth of the resamples of 40 recordings" in said[0] and said[0] in text
