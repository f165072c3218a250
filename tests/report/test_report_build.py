import dataclasses
import html
import json
import os
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from launching import finish, start
from synthetic_scores import CLASSES, blocks, make_examples, write_workdir

from actjax import report
from actjax.defaults import default_config
from actjax.files import FileError
from actjax.pages import markup, table
from actjax.pages.rows import csv_text
from actjax.report import first_screen, neuron_table, tables
from actjax.report.summary import summarise
from actjax.report.verdicts import sort_features
from actjax.report.workdir_files import paths_read, read_material
from actjax.scores.files import load_scores, write_scores
from actjax.types import LeftOut
from actjax.workdir import (
    benchmark_table,
    curve,
    evaluation_record,
    examples,
    left_out,
    manifest,
    recorded_config,
    skipped,
)
from actjax.workdir.evaluation_record import Evaluation
from actjax.workdir.skipped import Skipped

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


def test_other_processes_draw_the_same_pictures(built, monkeypatch):
    workdir, written = built
    before, used = {path: path.read_bytes() for path in written}, []
    run = report.pool.run
    monkeypatch.setattr(
        report.pool, "run", lambda f, calls, workers: used.append(workers) or run(f, calls, workers)
    )
    monkeypatch.setattr(report.pool, "available_cores", lambda: 4)
    monkeypatch.setattr(report, "_MANY_PICTURES", 1)
    for picture in (path for path in before if path.suffix == ".png"):
        picture.unlink()
    assert {path: path.read_bytes() for path in report.build(workdir)} == before
    assert used == [2]


def test_what_draws_in_other_processes_imports_no_jax():
    code = "import sys; sys.modules['jax'] = None; from actjax import pool; from actjax.report import "
    finish(start(program=["-c", code + "depth, pictures, plots"]))


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
    for words in ("chroma_stft", "broken.wav", "empty file", "gm_instruments", "untrained", "How to read"):
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
    assert max(map(len, text.splitlines())) <= table.WIDTH
    wide = table.Table("t", (("a", "<"), ("b", ">")), [("x" * 300, "-0.50"), ("y", "+0.25")])
    lines = wide.text().splitlines()
    assert (
        max(map(len, lines)) == table.WIDTH and lines[-2].endswith("…  -0.50") and lines[-1].endswith("+0.25")
    )
    assert wide.markdown().count("\n| ") == 4


def test_a_console_shows_the_whole_of_what_neurons_are_called():
    row = ("embedding / 123", "spectral_centroid", "frame", "−0.94", "−0.90 (−0.93 to −0.87)", "0.891")
    row += ("−0.81", "+0.61", "+0.13 *", "−0.004 to 0.137", "spectral_centroid −0.94", "92%")
    text = tables._narrow(table.Table("t", neuron_table.COLUMNS, [row])).text()
    assert "…" not in text and max(map(len, text.splitlines())) <= table.WIDTH
    assert re.search(r"neuron +follows +view +score +null +max-T p .* 95 %$", text, re.M)
    assert re.search(r"^embedding / 123 +spectral_centroid +frame +−0.94 +−0.90 +0.891 ", text, re.M)


def test_a_workdir_with_scores_alone_gives_a_report(tmp_path, capsys):
    made = blocks(layers={"conv1": (0.5, 3)}, features={"rms": 1}, networks=("trained",))
    write_scores(tmp_path / "scores" / "a.parquet", list(made), {})
    written = report.build(tmp_path)
    text = (tmp_path / "report" / "index.html").read_text()
    assert "No control was scored" in text
    assert "maps.png" not in {p.name for p in written}
    out = capsys.readouterr().out
    assert "no control scored" in out and out.rstrip().endswith(str(written[-1]))
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Not recorded here: --stage=data writes it." in page
    assert "files left out" not in page and "every file could be used" not in page


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
        return tables.confusion_table(Evaluation(0.5, 1.0, names, counts, int(counts.sum())))

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
    found = read_material(tmp_path, make_examples()).examples
    assert [e.network for e in found[:3]] == ["trained", "untrained", "input"]
    assert found[0].map_ft.shape == (12, 64)


def test_examples_of_every_score_set_are_read_the_newest_first(tmp_path):
    made = make_examples()
    for name, own, time in (("a", made[:3], 1), ("b", made[3:], 2)):
        os.utime(examples.write(tmp_path / f"{name}.examples.npz", own), ns=(time, time))
    found = examples.read(tmp_path)
    assert [e.feature for e in found] == ["harmonic"] * 3 + ["chroma_stft"] * 3
    np.testing.assert_array_equal(found[3].map_ft, made[0].map_ft)
    assert found[3].labels() == made[0].labels()


def with_damaged_labels(path, change):
    """A file of examples, of whose second one the labels are changed."""
    examples.write(path, make_examples()[:2])
    with np.load(path) as archive:
        arrays = dict(archive)
    labels = json.loads(str(arrays["1_json"]))
    change(labels)
    np.savez(path, **{**arrays, "1_json": np.asarray(json.dumps(labels))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels.pop("score"), "example 1 lacks score"),
        (lambda labels: labels.update(neuron="3"), "example 1 lacks neuron"),
        (lambda labels: labels.pop("times_s"), "times_s"),
        (lambda labels: labels.update(times_s=[0.1]), "example 1: map, feature and times_s"),
        (lambda labels: labels.update(row_names=["C"]), "expected 12 values of row_names, got 1"),
    ],
)
def test_an_example_that_does_not_fit_is_named_with_its_file(tmp_path, change, message):
    with_damaged_labels(tmp_path / "a.examples.npz", change)
    with pytest.raises(FileError, match=f"a.examples.npz: .*{message}"):
        examples.read(tmp_path)


def test_a_flipped_bit_in_the_examples_is_found(tmp_path):
    path = examples.write(tmp_path / "a.examples.npz", make_examples())
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    with pytest.raises(FileError, match="a.examples.npz"):
        examples.read(tmp_path)


GOOD = {"accuracy": 1.0, "class_names": ["a", "b"], "confusion": [[1, 0], [0, 2]]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("evaluation.json", "{", "cannot be read as JSON"),
        ("evaluation.json", "[1]", r"expected an object, got \[1\]"),
        ("evaluation.json", json.dumps(GOOD | {"confusion": [[1]]}), r"2 x 2 counts, got shape \(1, 1\)"),
        ("evaluation.json", json.dumps(GOOD | {"accuracy": "high"}), "an evaluation; run --stage=train"),
        ("evaluation.json", json.dumps(GOOD | {"class_names": 3}), "a list of class_names"),
        ("evaluation.json", json.dumps(GOOD | {"f1": [{"threshold": 0.5}]}), "an evaluation"),
        ("evaluation.json", json.dumps({"accuracy": 1.0}), "class_names"),
        ("skipped.json", '{"clip": "a"}', "expected a list, got"),
        ("skipped.json", '[{"clip": "a"}]', "a list of clips and reasons"),
        ("skipped.json", "[3]", "a list of clips and reasons"),
        ("config.json", "3", "expected an object, got 3"),
        ("scores/a.left_out.json", '[{"layer": "a"}]', "a list of comparisons left out"),
        ("scores/a.left_out.json", '[["a"]]', "a list of comparisons left out"),
        ("scores/a.examples.npz", "no archive", "examples of maps and features"),
        ("metrics.jsonl", "[1]\n{}\n", "line 1.*expected an object, got list"),
        ("metrics.jsonl", '{"step": 1, "spl\n{"step": 2, "split": "train", "loss": 2}\n', "line 1"),
        ("metrics.jsonl", '{"step": "1", "split": "train", "loss": 2}\n', "line 1.*a whole number"),
        ("metrics.jsonl", '{"step": 1, "loss": 2}\n', "line 1.*a split"),
        ("metrics.jsonl", '{"step": 1, "split": "train", "loss": "two"}\n', "a number for loss, got str"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, name, text, message):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(FileError, match=message) as error:
        read_material(tmp_path)
    assert str(error.value).startswith(str(tmp_path / name)) and "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused_with_the_file(tmp_path):
    for name in ("metrics.jsonl", "evaluation.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe{}\n")
        with pytest.raises(FileError, match=name):
            read_material(tmp_path)
        (tmp_path / name).unlink()


def test_a_last_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(curve.line(1, "train", {"loss": 2.0}) + curve.line(2, "train", {"loss": 1.5})[:-9])
    assert [e["step"] for e in read_material(tmp_path).curve] == [1]


def test_a_curve_of_the_first_version_is_read_and_goes_on_in_the_new_words(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "part": "eval", "loss": 2.5}\n{"step": 2, "part": "train", "loss": NaN}\n')
    assert [(e["step"], e["split"]) for e in curve.read(tmp_path)] == [(1, "eval"), (2, "train")]
    curve.open_at(tmp_path, 1).close()
    assert path.read_text() == curve.line(1, "eval", {"loss": 2.5})


class Found(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


EVIL = '<script>alert("1")</script>\' onload="x" & $\\frac{$'


def test_no_name_becomes_markup(tmp_path):
    """Names of classes, clips, features, layers, networks, reasons, options: real writers, real page."""
    workdir = write_workdir(tmp_path, layers={EVIL: (0.3, 4)}, features={"rms": 1, EVIL: 3})
    shown = [dataclasses.replace(e, clip_id=EVIL, feature=EVIL) for e in make_examples()]
    examples.write(workdir / "scores" / "main.examples.npz", shown)
    evaluation = evaluation_record.read(workdir)
    names = [EVIL, *evaluation.class_names[1:]]
    evaluation_record.write(workdir, dataclasses.replace(evaluation, class_names=names))
    skipped.write(workdir, [Skipped(EVIL, EVIL)])
    config = default_config()
    config.model.name = EVIL
    (workdir / "config.json").unlink()
    recorded_config.write(workdir, "report", config.to_dict())
    left_out.write(workdir / "scores" / "main.left_out.json", [LeftOut(EVIL, "map", EVIL, EVIL)])
    rate = {"check": "rejections", "family": EVIL, "null": EVIL, "sets": EVIL, "rate": 0.05}
    rows = [rate | {"low": 0.01, "high": 0.1}]
    benchmark_table.write(workdir, "calibration", csv_text=csv_text(rows), markdown="")
    report.build(workdir)
    page = (workdir / "report" / "index.html").read_text()
    found = Found(page)
    assert "script" not in found.tags and "onload" not in dict(found.attributes)
    assert page.count(html.escape(EVIL)) >= 9


def test_markup_escapes_all_but_markup():
    made = markup.tag("p", "<i>", markup.tag("b", 'a"b'), class_='"><script>')
    assert made == '<p class="&quot;&gt;&lt;script&gt;">&lt;i&gt;<b>a&quot;b</b></p>'
    assert markup.join("<", markup.trusted("<br>")) == "&lt;<br>"
    # What is put together otherwise is text again, and escaped.
    assert markup.join(markup.tag("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_what_was_left_out_is_shown_counted_and_explained(built):
    workdir, _ = built
    text = (workdir / "report" / "index.html").read_text()
    assert "comparisons left out" in text and "conv4 and log_mel share 2 bands" in text
    for name in ("tables.txt", "tables.md"):
        assert "conv4 and log_mel share 2 bands" in (workdir / "report" / name).read_text()


def test_intervals_and_the_rule_are_shown(built):
    workdir, _ = built
    text = (workdir / "report" / "index.html").read_text()
    assert "When a gain is announced." in text and "over 400 recordings" in text
    summary = summarise(load_scores(workdir))
    rows = tables.feature_table(summary, 0).rows
    assert all(re.fullmatch(r"[+−]\d\.\d\d to [+−]\d\.\d\d", row[5]) for row in rows)


def test_building_again_gives_the_same_page(tmp_path):
    made = blocks(layers={"conv1": (0.5, 3)}, features={"rms": 1}, networks=("trained", "untrained"))
    write_scores(tmp_path / "scores" / "a.parquet", list(made), {})
    first = {path: path.read_bytes() for path in report.build(tmp_path)}
    assert {path: path.read_bytes() for path in report.build(tmp_path)} == first


def test_the_reports_key_is_of_every_file_that_it_reads(tmp_path):
    workdir = write_workdir(tmp_path, layers={"conv1": (0.3, 2)})
    rate = {"check": "rejections", "family": "a", "null": "b", "sets": "c", "rate": 0.05, "low": 0, "high": 1}
    benchmark_table.write(workdir, "calibration", csv_text=csv_text([rate]), markdown="")
    opened, watching = set(), [True]

    def watch(event, arguments):
        if watching and event == "open" and isinstance(arguments[0], str | os.PathLike):
            opened.add(os.fspath(arguments[0]))

    sys.addaudithook(watch)
    report.build(workdir)
    watching.clear()
    before, read = report.made_from(workdir, "actjax run a"), paths_read(workdir)
    within = {path for path in opened if path.startswith(f"{workdir}/") and "/report" not in path}
    assert len(within) >= 6 and within <= set(map(str, read))
    assert report.made_from(workdir, "actjax run b") != before == report.made_from(workdir, "actjax run a")
    for path in filter(os.path.exists, read):
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        assert report.made_from(workdir, "actjax run a") != before, path
        path.write_bytes(content)


def test_the_reports_key_is_of_what_the_other_stages_took(tmp_path):
    manifest.write(tmp_path, stages={"score": {"seconds": 3.0}, "report": {"seconds": 1.0}})
    before = report.made_from(tmp_path, "")
    manifest.write(tmp_path, stages={"score": {"seconds": 3.0}, "report": {"seconds": 2.0}})
    assert report.made_from(tmp_path, "") == before
    manifest.write(tmp_path, stages={"score": {"seconds": 4.0}})
    assert report.made_from(tmp_path, "") != before


def test_p_values_of_shifts_are_labelled_as_such():
    from actjax.report.page import how_to_read

    permuted = {"a": {"config": {"score": {"null": "within_class"}}}, "b": {}}
    assert "(recordings permuted; in every" in how_to_read(permuted)
    shifted = {"a": {"config": {"score": {"null": "circular_shift"}}}}
    assert "(clips rotated in time, which rejects too often" in how_to_read(shifted)


@pytest.mark.parametrize(("split", "seen"), [("test", False), ("all", True), ("train", True), (None, False)])
def test_clips_that_training_saw_are_not_called_held_out(split, seen):
    from actjax.report.page import how_to_read

    words = how_to_read({"a": {"config": {"score": {"split": split}}}, "b": {}})
    assert ("clips of which training saw some" in words, "clips that training never saw" in words) == (
        seen,
        not seen,
    )


@pytest.mark.parametrize(
    ("name", "config", "shown"),
    [
        ("gm_instruments(clips=480)", "tiny", "gm_instruments(clips=480)/tiny"),
        ("audio_folder(path='x')", "small", "audio_folder(path='x')"),
        ("gone", "small", "gone/small"),
        ("", "", ""),
    ],
)
def test_a_data_set_has_its_config_beside_it_if_it_has_one(name, config, shown):
    assert first_screen.data_named(name, config) == shown
