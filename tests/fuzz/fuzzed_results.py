"""Files of a workdir that one stage keeps for another or for a notebook, by their own readers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import stores
from kinds import Target, either, on_bytes
from mutations import cells, jsons, lines, npy, one_of, raw, zips


def make_results(folder: Path) -> None:
    """Written by the package's own writers, with made-up values."""
    from actjax.workdir import (
        ablation,
        clip_activations,
        data_summary,
        findings_units,
        hypotheses_table,
        pieces,
        predictions,
        score_nulls,
        sweep_scores,
        sweep_state,
        sweep_table,
    )

    rng = np.random.default_rng(0)
    layer = ablation.AblatedLayer(*rng.normal(size=(4, 5)), rng.normal(size=(5, 2)))
    cuts = {name: {"conv1": layer} for name in ("trained", "untrained")}
    responses = {name: {"conv1": {"pitch": rng.normal(size=5)}} for name in cuts}
    ablation.write(folder, ablation.Ablation("0" * 10, ("flute", "piano"), cuts, responses))
    means = {name: {"conv1": rng.normal(size=(6, 5)).astype(np.float32)} for name in cuts}
    ids = [f"clip{i}" for i in range(6)]
    clip_activations.write(
        folder, clip_activations.ClipActivations("0" * 10, ids, np.arange(6) % 2, ["flute", "piano"], means)
    )
    text = dict.fromkeys(hypotheses_table.COLUMNS, "flute") | {"verdict": "confirmed", "sign": "+"}
    numbers = dict.fromkeys(hypotheses_table.NUMBERS, 0.25) | {"rank": 1, "rows": 95}
    hypotheses_table.write(folder, [text | numbers] * 3)
    state = sweep_state.SweepState({4: {"a": 0.5, "b": 0.25}}, {"b": 4}, {"c": "OSError"})
    sweep_state.write(folder, state)
    rows = [sweep_table.Row(n, "done", {"seed": i}, None, {"loss": 0.5}) for i, n in enumerate("ab")]
    sweep_table.write(folder, rows)
    columns = {"part": np.array(["chroma"] * 4), "neuron": np.arange(4), "score": rng.normal(size=4)}
    findings_units.write(folder, columns)
    replicates = score_nulls.Replicates(rng.normal(size=9).astype(np.float32), np.arange(3), np.arange(3))
    families = {score_nulls.Family("trained", "conv1", "clip", "pearson"): replicates}
    path = score_nulls.path_of(folder / "scores" / "first.parquet")
    score_nulls.write(path, score_nulls.ScoreNulls("0" * 10, families))
    labels = {name: ["a", "b"] for name in sweep_scores.LABELS}
    numbers = {name: [0.25, 0.5] for name in sweep_scores.NUMBERS}
    sweep_scores.write(folder, labels | numbers | {name: [0, 1] for name in sweep_scores.WHOLE})
    named = [predictions.Prediction(f"r{i}", ["flute"], np.array([0.75, 0.25])) for i in range(3)]
    predictions.write(predictions.path_of(folder, "test"), ["flute", "piano"], named)
    data_summary.write(folder, data_summary.DataSummary({"train": 4, "test": 2}, ["flute", "piano"]))
    pieces.Pieces(folder, "score", "0").write("state", {"sums": rng.normal(size=(3, 4))}, {"clips": 8})


def read_ablation(folder: Path) -> None:
    from actjax.workdir import ablation

    result = ablation.read(folder)
    for layer, of_layer in result.networks.get("trained", {}).items() if result else ():
        for neuron in range(len(of_layer.loss)):
            ablation.of_neuron(result, "trained", layer, neuron)


def read_activations(folder: Path) -> None:
    """As the report does."""
    from actjax.report import workdir_files
    from actjax.workdir import clip_activations

    activations = clip_activations.read(folder)
    if activations is not None:
        workdir_files.selectivity(activations)
        activations.changing("trained")


def read_hypotheses(folder: Path) -> None:
    """As the report does."""
    from actjax.report import hypotheses
    from actjax.workdir import hypotheses_table

    lines_read = hypotheses_table.read(folder)
    if lines_read:
        hypotheses.seen(lines_read)
        hypotheses.part_of_page(lines_read, None)


def read_piece(folder: Path) -> bytes | None:
    """A damaged one is removed and made again, so that none comes back as other values."""
    from actjax.workdir import pieces

    piece = pieces.Pieces(folder, "score", "0").read("state")
    return None if piece is None else piece.arrays["sums"].tobytes()


def read_by(module: str, function: str = "read") -> Callable[[Path], Any]:
    """The reader of an artefact's module."""

    def read(folder: Path) -> None:
        import importlib

        getattr(importlib.import_module(f"actjax.workdir.{module}"), function)(folder)

    return read


def read_nulls(folder: Path) -> None:
    from actjax.workdir import score_nulls

    score_nulls.read(folder / "scores" / "first.nulls.npz")


def read_predictions(folder: Path) -> None:
    from actjax.workdir import predictions

    predictions.read(predictions.path_of(folder, "test"))


def targets() -> dict[str, Target]:
    """Every such file."""
    table, inner = either(on_bytes(raw), stores.parquet), one_of(raw, npy, jsons)
    json_file, csv_file = on_bytes(raw, jsons, jsons), on_bytes(raw, lines(cells))
    kinds = {
        "ablation.parquet": ("ablation.parquet", table, read_ablation),
        "clip_activations.npz": ("clip_activations.npz", on_bytes(raw, zips(inner)), read_activations),
        "hypotheses.csv": ("hypotheses.csv", csv_file, read_hypotheses),
        "sweep.json": ("sweep.json", json_file, read_by("sweep_state")),
        "sweep.parquet": ("sweep.parquet", table, read_by("sweep_table")),
        "nulls.npz": ("scores/first.nulls.npz", on_bytes(raw, zips(inner)), read_nulls),
        "sweep_scores.parquet": ("sweep_scores.parquet", table, read_by("sweep_scores")),
        "sweep.tsv": ("sweep.tsv", csv_file, read_by("sweep_table", "read_text")),
        "units.parquet": ("findings/units.parquet", table, read_by("findings_units")),
        "predictions.csv": ("predictions_test.csv", csv_file, read_predictions),
        "data.json": ("data.json", json_file, read_by("data_summary")),
    }
    found = {name: Target(files, make_results, change, read) for name, (files, change, read) in kinds.items()}
    found["piece"] = Target(".pieces/score-0/0/state*", make_results, on_bytes(raw, raw, jsons), read_piece)
    return found
