"""The whole chain on tiny data: data, train, score, report; then what a second run does."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from launching import TINY, finish, launch

from actjax import config_files, defaults, experiment, runs
from actjax.atlas_site import build
from actjax.command import words
from actjax.defaults import default_config
from actjax.workdir import ablation, recorded_config

SMALL = (
    *TINY,
    "--config.model.name=vgg(widths=(8, 8, 8, 8), embedding=8)",
    "--config.train.steps=3",
    "--config.train.eval_every=2",
    "--config.score.layers=conv1|conv4|bands|image",
    "--config.score.features=log_mel,rms,onset_rate",
    "--config.score.metrics=pearson,cka",
    "--config.report.examples=2",
    "--config.score.null=unrestricted",
    "--config.score.replicates=20",
    "--config.score.null_metrics=pearson,cka",
    "--config.report.atlas=True",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of all stages, as a process of its own on one device."""
    folder = tmp_path_factory.mktemp("run")
    said, _ = finish(launch(folder / "run", folder / "data", *SMALL, devices=1))
    (folder / "said.txt").write_text(said)
    return folder


@pytest.fixture
def again(finished, capsys, standard_promotion):
    """Runs stages in this process, on four devices: (options, stage, dry_run) -> what they print."""

    def run(*options, stage="all", dry_run=False):
        config = default_config()
        for option in (*SMALL, *options):
            name, value = option.removeprefix("--config.").split("=", 1)
            section, key = name.split(".")
            config[section][key] = type(config[section][key])(value)
        where = {"workdir": str(finished / "run"), "data_dir": str(finished / "data")}
        experiment.run(config=config, stage=stage, dry_run=dry_run, **where)
        return capsys.readouterr().out

    return run


def table(folder):
    from actjax.scores.files import load_scores

    return load_scores(folder / "run").to_pylist()


def test_the_workdir_holds_what_the_design_lists(finished):
    run = finished / "run"
    for name in ("config.json", "manifest.json", "metrics.jsonl", "evaluation.json", "report/index.html"):
        assert (run / name).stat().st_size > 0, name
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["versions"]["jax"] and manifest["dataset_fingerprint"] and manifest["devices"]
    assert not list(run.rglob("*.part*")) and not list(run.glob("scores/.*"))


def test_few_programs_are_compiled_and_the_page_is_said_last(finished):
    # 20 of training, 21 of scoring, 30 of findings and pictures; scoring alone took 119 before its stacks.
    said = (finished / "said.txt").read_text()
    counts = re.findall(r"programs: (\d+) compiled.*, (\d+) found", said)
    assert re.fullmatch(r"open file:///.*/report/index\.html", said.rstrip().splitlines()[-1])
    [(compiled, read)] = counts
    assert 10 < int(compiled) + int(read) <= 90


def test_every_neuron_meets_every_row_once(finished):
    rows = table(finished)
    frame = [r for r in rows if (r["view"], r["network"], r["layer"]) == ("frame", "trained", "conv1")]
    neurons = {r["neuron"] for r in frame}
    pairs = {(r["neuron"], r["feature"], r["row"]) for r in frame}
    assert len(pairs) == len(frame) == len(neurons) * (64 + 1)
    assert {r["network"] for r in rows} == {"trained", "untrained", "input"}
    assert {r["part"] for r in rows if r["view"] == "clip"} == {"between"}


def test_the_input_is_its_own_best_match(finished):
    """Band i of the input against row i of log_mel: the same numbers up to the front end's top_db."""
    scores = [
        r["score"]
        for r in table(finished)
        if r["layer"] == "bands"
        and r["feature"] == "log_mel"
        and r["view"] == "frame"
        and r["row"] == r["neuron"]
    ]
    assert len(scores) == 64 and min(scores) > 0.99


def test_every_file_of_the_workdir_is_read_by_its_reader(finished):
    """Written by a real run, read by what the report reads it with."""
    from actjax.report.workdir_files import read_material
    from actjax.workdir import curve, data_summary, examples, left_out, manifest, train_record

    run = finished / "run"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = curve.read(run)
    assert found == lines and {e["split"] for e in found} == {"train", "eval"}
    [scores] = (run / "scores").glob("*.parquet")
    material = read_material(run)
    assert {e.network for e in material.examples} == {"trained", "untrained", "input"}
    assert [p.name for p in (run / "scores").glob("*examples*")] == [examples.path_of(scores).name]
    kept = json.loads(left_out.path_of(scores).read_text())
    assert len(material.left_out) == len(kept) and material.config["data"]["data.config"] == "tiny"
    assert material.evaluation.confusion.sum() == material.evaluation.clips == 12
    record = train_record.read(run)
    assert record.as_json() == json.loads((run / "train.json").read_text())
    assert record.weights == manifest.read(run)["weights"]
    assert data_summary.read(run).splits["test"] == 12


def test_the_report_shows_what_the_files_hold(finished):
    run = finished / "run"
    page = (run / "report" / "index.html").read_text()
    assert (run / "report" / "training.png").exists() and "training" in page
    assert (run / "report" / "maps.png").exists()
    assert "comparisons left out" in page and "over 12 recordings" in page
    assert re.search(r">[+−]\d\.\d\d to [+−]\d\.\d\d<", page)


def test_the_atlas_has_every_neuron_and_is_linked(finished):
    from actjax.workdir import clip_activations

    run = finished / "run"
    script = (run / "report" / "atlas" / "data" / "index.js").read_text()
    index = json.loads(script.removeprefix('atlasPut("index",').removesuffix(");\n"))
    columns, kept = index["columns"], clip_activations.read(run)
    assert {len(column) for column in columns.values()} == {
        sum(layer["neurons"] for layer in index["layers"])
    }
    assert [layer["name"] for layer in index["layers"]] == list(kept.means["trained"])
    assert kept.clip_ids == [clip["id"] for clip in index["clips"]] and len(kept.clip_ids) == 12
    sounds = {path.stem for path in (run / "report" / "atlas" / "clips").glob("*.ogg")}
    assert sounds == {str(b) for b, clip in enumerate(index["clips"]) if clip["sound"]}
    script = (run / "report" / "atlas" / "data" / "layer0.js").read_text()
    for one in json.loads(script.removeprefix('atlasPut("layer0",').removesuffix(");\n")):
        assert {str(clip) for clip in one["clips"]} <= sounds
        assert (run / "report" / "atlas" / one["map"]).exists()
    assert 'href="atlas/index.html#conv1-0"' in (run / "report" / "index.html").read_text()


def test_errors_intervals_and_controls_are_filled(finished):
    rows = [r for r in table(finished) if r["valid"]]
    pearson = [r for r in rows if r["metric"] == "pearson" and r["view"] in ("clip", "frame")]
    assert all(r["std_error"] >= 0 and -1 <= r["ci_low"] <= r["ci_high"] <= 1 for r in pearson)
    # Beyond the 32-bit ends of 1 nothing is to be seen of an interval.
    assert all(r["ci_low"] - 1e-6 <= r["score"] <= r["ci_high"] + 1e-6 for r in pearson)
    best = max((r for r in pearson if (r["network"], r["feature"], r["view"]) == ("input", "rms", "clip")),
               key=lambda r: abs(r["score"]))  # fmt: skip
    theirs = {r["control_score"] for r in pearson
              if (r["network"], r["feature"], r["view"]) == ("trained", "rms", "clip")}  # fmt: skip
    assert len(theirs) == 1 and abs(theirs.pop()) >= abs(best["score"])
    assert {r["control_score"] for r in rows if r["network"] != "trained"} == {None}


def test_the_named_metrics_get_p_values_in_their_views(finished):
    rows = [r for r in table(finished) if r["valid"]]
    for name, views in (("pearson", {"clip", "frame"}), ("cka", {"map"})):
        tested = [r for r in rows if r["metric"] == name and r["p_value"] is not None]
        assert {r["view"] for r in tested} == views
        assert all(1 / 21 <= r["p_value"] <= r["p_maxt"] <= 1 for r in tested)
        assert all(abs(r["null_mean"]) < 1 and r["null_std"] > 0 and r["q_value"] <= 1 for r in tested)


@pytest.mark.parametrize(
    "changes",
    [
        (),
        pytest.param(
            ("--config.score.metrics=pearson", "--config.score.views=clip,map"), marks=pytest.mark.long
        ),
    ],
)
def test_a_dry_run_counts_the_scores_that_are_made(finished, again, changes):
    import pyarrow.parquet as pq

    out = again(*changes, dry_run=True)
    [line] = [line for line in out.splitlines() if line.startswith("scores ")]
    rows = pq.read_table(sorted((finished / "run" / "scores").glob("*.parquet"))[0]).to_pylist()
    kept = [r for r in rows if not changes or (r["metric"] == "pearson" and r["view"] != "frame")]
    assert line.split()[1] == f"{len(kept):,}" and len(kept) > 1000
    [time] = [line for line in out.splitlines() if line.startswith("time ")]
    assert "training" in time and "scores" in time and " s" in time
    [null] = [line for line in out.splitlines() if line.startswith("null ")]
    assert re.search(r"unrestricted, 20 replicates, of pearson \([a-z, ]+\) \d+ s", null)
    assert changes or re.search(r"cka \(map\) \d+ s", null)


@pytest.mark.long
def test_a_dry_run_refuses_a_null_that_the_clips_cannot_support(again):
    with pytest.raises(ValueError, match="^a permutation needs at least 2 recordings"):
        again("--config.score.null=within_class", dry_run=True)


def test_a_second_run_recomputes_nothing_and_new_metrics_add_a_score_set(finished, again):
    run = finished / "run"
    before = {p: p.stat().st_mtime_ns for p in (run / "checkpoints").rglob("*") if p.is_file()}
    pages = {p: p.stat().st_mtime_ns for p in (run / "report").rglob("*") if p.is_file()}
    said = again()
    assert re.findall(r"^(\w+): done before", said, re.M) == ["train", "score", "atlas", "report"]
    assert (run / "report" / "tables.txt").read_text() in said and said.rstrip().endswith("report/index.html")
    assert pages == {p: p.stat().st_mtime_ns for p in (run / "report").rglob("*") if p.is_file()}
    fewer = ("--config.score.metrics=pearson", "--config.score.layers=conv1|bands")
    again(*fewer, stage="score")
    assert before == {p: p.stat().st_mtime_ns for p in (run / "checkpoints").rglob("*") if p.is_file()}
    # Each score set keeps its own pictures and reasons.
    for kind in ("*.examples.npz", "*.left_out.json"):
        assert len(list((run / "scores").glob(kind))) == 2
    one, two = sorted((run / "scores").glob("*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    compare_devices(one, two)


def test_the_command_on_the_page_goes_on_with_the_run(finished):
    page = (finished / "run" / "report" / "index.html").read_text()
    [command] = re.findall(r"<code>(actjax run .*?)</code>", page)
    flags = dict(flag.split("=", 1) for flag in words.to_flags(shlex.split(command)[1:]))
    assert flags["--workdir"] == str(finished / "run")
    latest = recorded_config.latest(finished / "run")
    assert defaults.flattened(config_files.load(flags["--config"])) == latest


def test_the_atlas_is_made_again_where_the_ablation_is_new(finished):
    config = config_files.load(f"of_workdir:{finished / 'run'}")
    run = runs.open_run(config, finished / "run", data_dir=str(finished / "data"))
    before, path = build.made_from(run), ablation.path_of(run.workdir)
    assert build.made_from(run) == before
    path.write_bytes(b"another")
    assert build.made_from(run) != before
    path.unlink()
    assert build.made_from(run) == before


def compare_devices(one, two):
    """The first set was scored on one device, the second on four."""
    import pyarrow.parquet as pq

    def scores(path):
        rows = pq.read_table(path).to_pylist()
        keys = ("network", "layer", "neuron", "feature", "row", "view")
        return {tuple(r[k] for k in keys): r["score"] for r in rows if r["metric"] == "pearson"}

    a, b = scores(one), scores(two)
    assert a.keys() > b.keys() and len(b) > 2_000
    worst = max(abs(a[k] - b[k]) for k in b if b[k] == b[k])
    assert worst < 1e-5
    assert all((a[k] != a[k]) == (b[k] != b[k]) for k in b)


@pytest.mark.long  # tests/train/test_loop.py does it in process
def test_training_mends_a_damaged_checkpoint(finished, tmp_path):
    run = Path(shutil.copytree(finished / "run", tmp_path / "run"))
    largest = max((run / "checkpoints/3/best").rglob("d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    out, _ = finish(launch(run, finished / "data", *SMALL, "--stage=train", devices=1))
    assert f"{largest}: damaged" in out and "goes on from step 2" in out
    one, two = (json.loads((path / "train.json").read_text()) for path in (run, finished / "run"))
    assert one["weights"] == two["weights"] and one["test_accuracy"] == two["test_accuracy"]
    assert not (run / ".lock").exists()


def test_another_config_in_the_same_workdir_is_refused(finished, again):
    before = (finished / "run" / "config.json").read_bytes()
    for dry_run in (False, True):
        with pytest.raises(ValueError, match=r"^workdir .*train\.steps = 3 there, 4 asked"):
            again("--config.train.steps=4", dry_run=dry_run)
    assert (finished / "run" / "config.json").read_bytes() == before, "and leaves no trace"


def test_python_hears_what_drives_a_neuron(finished):
    import actjax
    from actjax.results import strongest
    from actjax.workdir import clip_activations

    result = actjax.load_run(finished / "run", data_dir=finished / "data")
    clips = result.unit("conv1", 0).clips(2)
    assert clips[0].activation >= clips[1].activation and len(clips[0].wave_s) == 36_000
    assert 0.01 < abs(clips[0].wave_s).max() <= 1 and clips[0].label.endswith(("Performance", "Music"))
    for network, means in clip_activations.read(finished / "run").means.items():
        same = strongest.activations(finished / "run", str(finished / "data"), network, "conv1")
        np.testing.assert_allclose(same, means["conv1"], atol=1e-6)
    of_input = result.unit("bands", 64, "input").clips(1)  # the mean of all bands: the loudest clip
    assert of_input[0].activation > 0
