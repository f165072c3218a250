"""The files of a workdir, through the stages that read them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import stores
from fuzzed_sounds import RATE, SECONDS, make_prepared, sounds_of
from kinds import Target, digest, either, in_folder, on_bytes
from mutations import cells, jsons, lines, npy, one_of, raw, zips

sys.path += [str(Path(__file__).parents[1] / "report")]


def make_run(folder: Path) -> Any:
    from actjax.defaults import default_config

    config = default_config()
    manifest = str(sounds_of(folder) / "manifest.jsonl")
    config.data.name = f"audio_folder(manifest={manifest!r},workers=1)"
    config.data.clip_seconds, config.data.sample_rate_hz = SECONDS, RATE
    config.train.batch_size = config.score.batch_size = 8
    config.frontend.hop_samples = 64  # frames enough for the network, of clips this short
    config.score.null = "none"
    config.findings.untrained = 0
    return config


def make_workdir(folder: Path) -> None:
    """Written by the package's own writers, with made-up scores."""
    import test_report_findings
    from synthetic_scores import write_workdir

    from actjax import runs
    from actjax.pages.rows import csv_text
    from actjax.scoring import unscored
    from actjax.train import checkpoint
    from actjax.types import LeftOut
    from actjax.workdir import (
        benchmark_table,
        checkpoint_files,
        findings_arrays,
        findings_table,
        left_out,
        manifest,
        recorded_config,
        train_record,
    )
    from actjax.workdir.train_record import TrainRecord

    make_prepared(folder)
    place = folder / "run"
    layers = {"conv1": (0.3, 3), "embedding": (1.0, 4)}
    write_workdir(
        place, layers=layers, features={"chroma_stft": 12, "rms": 1}, networks=("trained", "untrained")
    )
    (place / "config.json").unlink()
    weights = {
        "params": {"conv": {"kernel": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)}}
    }
    kept = checkpoint.Checkpoints(checkpoint_files.path_of(place))
    kept.save(2, {"best_step": 1, "finished": True}, state={"step": np.int32(2), **weights}, best=weights)
    kept.close()
    record = TrainRecord(checkpoint.content_hash(weights), 2, 1, False, 0.5, seconds=0.1, train_clips=2)
    train_record.write(place, record)
    run = runs.open_run(make_run(folder), place, data_dir=str(folder / "data"))
    for stage in recorded_config.STAGES:
        recorded_config.write(place, stage, run.config.to_dict())
    manifest.write(place, weights=record.weights)
    source = run.open_source("test")
    named = name_scores(place, unscored.made_from(run, source))
    findings_table.write(place, test_report_findings.table())
    findings_arrays.write(place, test_report_findings.arrays())
    rate = {"check": "rejections", "family": "stationary", "null": "within_class", "sets": 1000}
    rows = [rate | {"rate": 0.052, "low": 0.04, "high": 0.07}]
    benchmark_table.write(place, "calibration", csv_text=csv_text(rows), markdown="")
    reason = LeftOut("conv1", "map", "rms", "has no frequency axis")
    left_out.write(place / "scores" / f"{named}.left_out.json", [reason])


def name_scores(place: Path, made_from) -> str:
    """Makes the made-up scores those of the run; returns the score set's name."""
    import pyarrow.parquet as pq

    from actjax.scores import files as scores_files

    main = place / "scores" / "main.parquet"
    note = {**scores_files.read_note(main), "made_from": made_from._asdict()}
    table = pq.read_table(main).replace_schema_metadata({b"actjax": json.dumps(note)})
    pq.write_table(table, scores_files.path_of(place, made_from.key()), write_page_checksum=True)
    main.unlink()
    return made_from.key()


def without_pictures() -> None:
    """Leaves out drawing, while tables and pages are made all the same, and what a training step needs."""
    import gc

    from matplotlib.figure import Figure

    from actjax import memory, report

    # No input changes the options that it looks at.
    memory.check_training = lambda *_: None
    report._draw = lambda *_: []
    Figure.savefig = lambda figure, path, **_: Path(path).write_bytes(b"")
    # A stage ends by collecting what it left, which here is nothing.
    gc.collect = lambda *_: 0


def run_stages(folder: Path, *stages: str) -> None:
    from actjax import experiment

    for stage in stages:
        experiment.run(
            config=make_run(folder), workdir=str(folder / "run"), stage=stage, data_dir=str(folder / "data")
        )


def read_checkpoint(folder: Path) -> str:
    import jax

    from actjax.train import checkpoint

    kept = checkpoint.Checkpoints(folder / "run" / "checkpoints")
    try:
        state = kept.restore("state")
    finally:
        kept.close()
    best, _ = checkpoint.load_best(folder / "run")
    return digest([*jax.tree.leaves(state), *jax.tree.leaves(best)])


def read_metrics(folder: Path) -> None:
    """As training does that goes on, then as the report does."""
    from actjax.train import log

    run_stages(folder, "report")
    log.Log(folder / "run", 20).close()


def read_arrays(folder: Path) -> str:
    from actjax.workdir import findings_arrays

    found = findings_arrays.read(folder / "run")
    return digest(found[part][kind] for part in sorted(found) for kind in sorted(found[part]))


def read_manifest_json(folder: Path) -> None:
    from actjax.workdir import manifest

    manifest.write(folder / "run", again=True)


def of_workdir(files: str, read: Callable, *mutators: Callable, checked: bool = False) -> Target:
    changes = on_bytes(*mutators) if mutators else stores.parquet
    return Target(f"run/{files}", make_workdir, changes, read, checked)


def read_report(folder: Path) -> None:
    run_stages(folder, "report")


def read_record(folder: Path) -> None:
    run_stages(folder, "train", "score")


def targets() -> dict[str, Target]:
    """Every file of a workdir that is read again."""
    inner = one_of(raw, npy, jsons)
    found = {
        "checkpoint": Target(
            "run/checkpoints", make_workdir, in_folder(on_bytes(raw, raw, jsons)), read_checkpoint, True
        ),
        "scores.parquet": Target(
            "run/scores/*.parquet", make_workdir, either(on_bytes(raw), stores.parquet), read_report
        ),
        "metrics.jsonl": of_workdir("metrics.jsonl", read_metrics, raw, lines(jsons), lines(jsons)),
        "examples.npz": of_workdir("scores/*.examples.npz", read_report, raw, zips(inner), zips(inner)),
        "findings arrays.npz": of_workdir("findings/arrays.npz", read_arrays, raw, zips(inner), checked=True),
        "calibration.csv": of_workdir("benchmark/calibration.csv", read_report, raw, lines(cells)),
        "manifest.json": of_workdir("manifest.json", read_manifest_json, raw, jsons, jsons),
    }
    for name in ("train.json", "config.json"):
        found[name] = of_workdir(name, read_record, raw, jsons, jsons)
    for name in ("evaluation.json", "skipped.json", "findings.json"):
        found[name] = of_workdir(name, read_report, raw, jsons, jsons)
    found["left_out.json"] = of_workdir("scores/*.left_out.json", read_report, raw, jsons, jsons)
    return found
