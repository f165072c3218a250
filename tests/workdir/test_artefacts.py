"""Every artefact of a workdir: its writer writes it, its reader reads it."""

import dataclasses

import numpy as np
import pytest

from actjax.defaults import default_config
from actjax.files import FileError
from actjax.pages import rows
from actjax.types import LeftOut
from actjax.workdir import (
    benchmark_table,
    checkpoint_files,
    clip_activations,
    curve,
    data_summary,
    evaluation_record,
    examples,
    findings_arrays,
    findings_table,
    findings_units,
    left_out,
    manifest,
    predictions,
    recorded_config,
    skipped,
    sweep_state,
    train_record,
)
from actjax.workdir.clip_activations import ClipActivations
from actjax.workdir.data_summary import DataSummary
from actjax.workdir.evaluation_record import Evaluation, ExcerptF1
from actjax.workdir.examples import Example
from actjax.workdir.predictions import Prediction
from actjax.workdir.skipped import Skipped
from actjax.workdir.train_record import ImportRecord, TrainRecord


def test_config(tmp_path):
    assert recorded_config.read(tmp_path) == {} and not recorded_config.is_imported(tmp_path)
    assert recorded_config.write(tmp_path, "train", default_config().to_dict()).name == "config.json"
    recorded = recorded_config.read(tmp_path)
    assert set(recorded) == {"data", "train", "latest"} and recorded["train"]["train.steps"] == 800
    assert recorded_config.imported_sha256(tmp_path) is None
    recorded_config.write_import(tmp_path, "0123")
    assert recorded_config.is_imported(tmp_path) and recorded_config.imported_sha256(tmp_path) == "0123"
    recorded_config.write(tmp_path, "score", default_config().to_dict())
    assert recorded_config.is_imported(tmp_path)


def test_manifest(tmp_path):
    assert manifest.read(tmp_path) == {}
    manifest.write(tmp_path, weights="ab")
    manifest.write(tmp_path, scores={"count": 1})
    entries = manifest.read(tmp_path)
    assert entries.pop("versions")["numpy"] == np.__version__
    assert entries == {"weights": "ab", "scores": {"count": 1}}


@pytest.mark.parametrize("imported", [None, ImportRecord("w.h5", "01", ["a"], {"widths": [1]}, ["conv1"])])
def test_train_record(tmp_path, imported):
    assert train_record.read(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="holds no trained network: run --stage=train"):
        train_record.need(tmp_path)
    record = TrainRecord("ab", 9, 6, True, 0.5, seconds=1.5, train_clips=8, imported=imported)
    assert train_record.write(tmp_path, record) == train_record.path_of(tmp_path)
    assert train_record.read(tmp_path) == train_record.need(tmp_path) == record


@pytest.mark.parametrize("f1", [(), (ExcerptF1(0.5, 2, (0.5, 1.0, 0.75), (0.25, 0.5, 0.375)),)])
def test_evaluation(tmp_path, f1):
    assert evaluation_record.read(tmp_path) is None
    evaluation = Evaluation(2 / 3, 0.3, ("a", "b"), np.asarray([[1, 0], [1, 1]]), 3, f1)
    evaluation_record.write(tmp_path, evaluation)
    back = evaluation_record.read(tmp_path)
    np.testing.assert_array_equal(back.confusion, evaluation.confusion)
    assert (back.accuracy, back.loss, tuple(back.class_names), back.clips, back.f1) == (
        *(2 / 3, 0.3, ("a", "b"), 3),
        f1,
    )
    words = "micro F1 (macro 0.375)", "2 held-out excerpts"
    assert back.quality() == ((0.75, *words) if f1 else (2 / 3, "accuracy", "3 held-out clips"))


def test_curve(tmp_path):
    assert curve.read(tmp_path) == []
    values = [("train", {"loss": 2.0, "accuracy": 0.5}), ("eval", {"loss": 2.5})]
    with curve.open_at(tmp_path, 0) as file:
        file.writelines(curve.line(step, split, v) for step in (1, 2) for split, v in values)
    expected = [{"step": step, "split": split, **v} for step in (1, 2) for split, v in values]
    assert curve.read(tmp_path) == expected
    with curve.open_at(tmp_path, 1) as file:
        assert curve.read(tmp_path) == expected[:2], "what goes on from step 1 writes step 2 again"
        file.write(curve.line(2, "train", {"loss": 1.0}))
    assert curve.read(tmp_path)[2:] == [{"step": 2, "split": "train", "loss": 1.0}]


def test_data_summary_and_skipped(tmp_path):
    assert data_summary.read(tmp_path) is None and skipped.read(tmp_path) is None
    summary = DataSummary({"train": 3, "test": 1}, ["a", "b"])
    data_summary.write(tmp_path, summary)
    assert data_summary.read(tmp_path) == summary
    for one in ([], [Skipped("a.wav", "silent"), Skipped("b.wav", "empty file")]):
        skipped.write(tmp_path, one)
        assert skipped.read(tmp_path) == one


def test_left_out(tmp_path):
    rows = [("conv1", "map", "rms", "has no frequency axis"), ("conv1", "map", "mfcc", "has none")]
    for name in ("a", "b"):
        path = left_out.path_of(tmp_path / f"{name}.parquet")
        left_out.write(path, [LeftOut(*row) for row in rows])
    assert left_out.read(tmp_path) == sorted(rows), "each once"


def test_examples(tmp_path):
    rng = np.random.default_rng(0)
    example = Example(
        rng.normal(size=(3, 4)).astype(np.float32),
        rng.normal(size=(2, 4)).astype(np.float32),
        *("trained", "conv1", 3, "chroma", "pearson", -0.5, "clip"),
        times_s=[0.1, 0.2, 0.3, 0.4],
        map_hz=[100.0, 200.0, 300.0],
        row_names=["C", "D"],
        unit="1",
    )
    other = dataclasses.replace(example, map_hz=None, feature_hz=[1.0, 2.0], row_names=None)
    path = examples.path_of(tmp_path / "a.parquet")
    examples.write(path, [example, other])
    for kept, written in zip(examples.read(tmp_path), (example, other), strict=True):
        np.testing.assert_array_equal(kept.map_ft, written.map_ft)
        np.testing.assert_array_equal(kept.values_kt, written.values_kt)
        assert kept.labels() == written.labels()


def test_hashes_of_a_checkpoint(tmp_path):
    folder = checkpoint_files.path_of(tmp_path, "untrained") / "0"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "a").write_text("x")
    assert checkpoint_files.read(folder) is None
    checkpoint_files.write(folder)
    assert list(checkpoint_files.read(folder)) == ["state/a"]
    checkpoint_files.check(folder, needed=True, remedy="")


def test_sweep_state(tmp_path):
    assert sweep_state.read(tmp_path) == sweep_state.SweepState()
    state = sweep_state.SweepState({10: {"a": 0.5}}, {"b": 20}, {"c": "it diverged"})
    sweep_state.write(tmp_path, state)
    assert sweep_state.read(tmp_path) == state


def test_findings_table(tmp_path):
    assert findings_table.read(tmp_path) is None and findings_table.read_made_from(tmp_path) is None
    with pytest.raises(FileNotFoundError, match="holds no findings: run --stage=findings"):
        findings_table.need(tmp_path)
    scores = {"value": 0.5, "low": 0.4, "high": float("nan"), "seeds": [0.5], "members": [[0.5]]}
    answer = {"control": "input", "effect": 0.1, "low": 0.0, "high": 0.2, "effects": [0.1], "verdict": "no"}
    claim = {"finding": 1, "part": "a", "title": "t", "score": "r", "p": 0.01}
    claim |= {"scores": {"trained": scores}, "answers": {"input": answer}}
    details = {"layer": "conv1", "neuron": 3, "row": "C", "chosen_in": 1.0, "ridge": None, "share_above": {}}
    table = {
        "made_from": "01",
        "seeds": [0],
        "options": {"findings": {"untrained": 1, "replicates": 79}},
        "clips": 4,
        "recordings": 2,
        "permuted": "within_class",
        "details": {"a": details},
        "grid": {"conv1": {"harmonic": 0.9, "percussive": 0.8}},
        "not_made": ["a sentence"],
        "parts": [claim],
        "findings": [{"finding": 1, "title": "t", "short": "s", "p": 0.01, "answers": {"input": "no"}}],
    }
    findings_table.write(tmp_path / "seed0", table)
    np.testing.assert_equal(findings_table.read(tmp_path / "seed0"), table)
    assert findings_table.read_made_from(tmp_path / "seed0") == "01"
    assert findings_table.folders_below(tmp_path) == [tmp_path / "seed0"]


@pytest.mark.parametrize("labels", [np.asarray([0, 1, 1]), np.eye(3, 2, dtype=np.uint8)])
def test_clip_activations(tmp_path, labels):
    assert clip_activations.read(tmp_path) is None
    means = {"trained": {"a/b": np.asarray([[0, 1], [0, 2], [0, 2]], np.float32)}, "untrained": {}}
    means["untrained"]["a/b"] = np.ones((3, 2), np.float32)
    kept = ClipActivations("01", ["x", "y", "z"], labels, ["p", "q"], means)
    path = clip_activations.write(tmp_path, kept)
    np.testing.assert_equal(clip_activations.read(tmp_path)._asdict(), kept._asdict())
    assert kept.changing("trained")["a/b"].tolist() == [0, 1] and kept.changing("input") == {}
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileError, match="clip_activations.npz: .*run --stage=atlas again"):
        clip_activations.read(tmp_path)


def test_findings_arrays_and_units(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"a": {"trained": rng.normal(size=(1, 9)), "null": rng.normal(size=9)}}
    findings_arrays.write(tmp_path, arrays)
    back = findings_arrays.read(tmp_path)
    for kind, values in arrays["a"].items():
        np.testing.assert_array_equal(back["a"][kind], values.astype(np.float32))
    columns = {"layer": np.asarray(["conv1", "conv2"]), "score": np.asarray([0.5, np.nan])}
    findings_units.write(tmp_path, columns)
    for name, values in findings_units.read(tmp_path).items():
        np.testing.assert_array_equal(values, columns[name])


def test_predictions(tmp_path):
    assert predictions.path_of(tmp_path, "test").name == "predictions_test.csv"
    path, told = tmp_path / "p.csv", [Prediction("a,b", ["x", "y"], np.asarray([0.25, 0.75]))]
    told.append(Prediction("c", [], np.asarray([0.5, 0.5])))
    predictions.write(path, ["x", "y"], told)
    names, back = predictions.read(path)
    assert names == ["x", "y"]
    for kept, written in zip(back, told, strict=True):
        assert kept[:2] == written[:2]
        np.testing.assert_array_equal(kept.probabilities_c, written.probabilities_c)


def test_benchmark_table(tmp_path):
    assert benchmark_table.read(tmp_path, "speed") is None
    csv_text = rows.csv_text([{"name": "a, b", "seconds": 0.5}, {"name": "c", "seconds": None}])
    benchmark_table.write(tmp_path, "speed", csv_text=csv_text, markdown="| a |")
    kept = benchmark_table.read(tmp_path, "speed")
    assert kept == [{"name": "a, b", "seconds": "0.5"}, {"name": "c", "seconds": ""}]
    assert benchmark_table.path_of(tmp_path, "speed", ".md").read_text() == "| a |\n"
