import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from synthetic_scores import CLASSES, blocks, examples, write_workdir

from actjax import report
from actjax.report import tables
from actjax.report.material import Material, ReportError, read_material
from actjax.report.scores import load_scores, write_scores
from actjax.report.summary import summarise
from actjax.report.verdicts import sort_features

SMALL = {"layers": {"conv1": (0.3, 6), "conv4": (0.8, 8), "embedding": (1.0, 10)}}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    workdir = write_workdir(tmp_path_factory.mktemp("run"), **SMALL)
    (workdir / "report").mkdir()
    (workdir / "report" / "heat_stale.png").write_bytes(PNG)
    return workdir, report.build(workdir)


def test_everything_named_is_written_and_nothing_stale_is_left(built):
    workdir, written = built
    assert sorted(written) == sorted((workdir / "report").iterdir())
    names = {path.name for path in written}
    assert {"index.html", "tables.txt", "tables.md", "maps.png", "confusion.png", "training.png"} <= names
    assert {"heat_clip_between_pearson.png", "depth_map_within_cka.png"} <= names
    assert all(path.read_bytes().startswith(PNG) for path in written if path.suffix == ".png")


def test_the_page_is_whole_and_loads_nothing(built):
    workdir, _ = built
    text = (workdir / "report" / "index.html").read_text()
    open_tags = []

    class Check(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br"):
                open_tags.append(tag)
            for name, value in attrs:
                assert name not in ("src", "href") or value.startswith("data:")

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Check().feed(text)
    assert not open_tags
    for words in ("chroma_stft", "broken.wav", "empty file", "made-up", "untrained", "How to read"):
        assert words in text
    assert text.count("<img ") == 9


def test_the_planted_pair_is_found_and_the_rest_is_not_praised(built):
    workdir, _ = built
    summary = summarise(load_scores(workdir))
    s = [x.view for x in summary.sets].index("map")
    rows = {row[0]: row for row in tables.feature_table(summary, s).rows}
    assert rows["chroma_stft"][1] == "conv4" and rows["chroma_stft"][-1].startswith("trained closer by")
    found = sort_features(summary, s)
    assert any(item.startswith("chroma_stft +") for item in found["gain"])
    every = {item.split()[0] for items in found.values() for item in items}
    assert every == {"log_mel", "harmonic", "percussive", "chroma_stft", "mfcc"}
    assert not {i.split()[0] for i in found["gain"]} & {i.split()[0] for i in found["untrained"]}


def test_tables_keep_to_their_width(built, capsys):
    workdir, _ = built
    text = (workdir / "report" / "tables.txt").read_text()
    assert max(map(len, text.splitlines())) <= tables.WIDTH
    wide = tables.Table("t", (("a", "<"), ("b", ">")), [("x" * 300, "-0.50"), ("y", "+0.25")])
    lines = wide.text().splitlines()
    assert (
        max(map(len, lines)) == tables.WIDTH
        and lines[-2].endswith("…  -0.50")
        and lines[-1].endswith("+0.25")
    )
    assert wide.markdown().count("\n| ") == 4


def test_a_workdir_with_scores_alone_gives_a_report(tmp_path, capsys):
    made = blocks(layers={"conv1": (0.5, 3)}, features={"rms": 1}, networks=("trained",))
    write_scores(tmp_path / "scores" / "a.parquet", list(made), {})
    written = report.build(tmp_path)
    text = (tmp_path / "report" / "index.html").read_text()
    assert "No control was scored" in text
    assert "maps.png" not in {p.name for p in written}
    out = capsys.readouterr().out
    assert "no control scored" in out and out.rstrip().endswith(str(written[-1]))


def test_a_control_that_is_missing_is_not_called_beaten(tmp_path):
    made = blocks(layers={"conv1": (0.5, 3)}, features={"rms": 1}, networks=("trained", "input"))
    write_scores(tmp_path / "scores" / "a.parquet", list(made), {})
    report.build(tmp_path)
    text = (tmp_path / "report" / "index.html").read_text()
    assert "“untrained” was not scored here" in text
    assert "untrained network is as close" not in text


def test_undefined_scores_are_counted_never_drawn_as_zero(built):
    workdir, _ = built
    summary = summarise(load_scores(workdir))
    table = tables.undefined_table(summary)
    assert {row[0] for row in table.rows} == {"map view, cka within clips"}
    assert all(row[-2:] == ("1", units) for row, units in ((r, r[-1]) for r in table.rows))
    assert len(table.rows) == 5 * (2 * 2 + 1)


def test_confusion_of_few_and_of_many_classes():
    def table(names, counts):
        evaluation = {"accuracy": 0.5, "class_names": names, "confusion": counts.tolist()}
        return tables.confusion_table(Material(evaluation, [], [], [], {}))

    few = table(CLASSES, np.diag(range(6)))
    assert few.rows[0][-1] == "-" and few.rows[5][-1] == "1.00"
    counts = np.eye(40, dtype=int) * 3
    counts[7, 9] = 1
    many = table([f"class{i}" for i in range(40)], counts)
    assert many.rows[7] == ("class7", "4", "0.75", "class9 (1)") and many.rows[8][-1] == "-"
    similar = table(["violin", "viola", "violone"], np.eye(3, dtype=int))
    assert [name for name, _ in similar.columns[1:-1]] == ["violi", "viola", "violo"]


def test_examples_may_be_handed_in(tmp_path):
    assert read_material(tmp_path).examples == []
    found = read_material(tmp_path, examples()).examples
    assert [e.about["network"] for e in found[:3]] == ["trained", "untrained", "input"]
    assert found[0].map.shape == (12, 64)


@pytest.mark.parametrize("missing", ["0_map", "1_feature"])
def test_an_incomplete_example_is_named(tmp_path, missing):
    arrays = examples()
    del arrays[missing]
    with pytest.raises(ReportError, match=f"example {missing[0]} lacks {missing}"):
        read_material(tmp_path, arrays)


def test_an_example_of_unequal_lengths_is_named(tmp_path):
    arrays = examples()
    arrays["2_map"] = arrays["2_map"][:, :-1]
    with pytest.raises(ReportError, match="example 2: map, feature and times_s"):
        read_material(tmp_path, arrays)


def test_bad_files_are_one_clear_line(tmp_path):
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(ReportError, match="evaluation.json is no JSON"):
        read_material(tmp_path)
    bad = {"accuracy": 1.0, "class_names": ["a", "b"], "confusion": [[1]]}
    (tmp_path / "evaluation.json").write_text(json.dumps(bad))
    with pytest.raises(ReportError, match=re.escape("confusion of 2 x 2 classes, got shape (1, 1)")):
        read_material(tmp_path)


def test_a_last_line_cut_short_is_left_out_but_no_other(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "split": "train", "loss": 2}\n{"step": 2, "spl')
    assert [e["step"] for e in read_material(tmp_path).curve] == [1]
    path.write_text('{"step": 1, "spl\n{"step": 2, "split": "train", "loss": 2}\n')
    with pytest.raises(ReportError, match="line 1 is no JSON"):
        read_material(tmp_path)


def test_building_again_gives_the_same_page(tmp_path):
    made = blocks(layers={"conv1": (0.5, 3)}, features={"rms": 1}, networks=("trained", "untrained"))
    write_scores(tmp_path / "scores" / "a.parquet", list(made), {})
    first = {path: path.read_bytes() for path in report.build(tmp_path)}
    assert {path: path.read_bytes() for path in report.build(tmp_path)} == first
