"""The kinds of files that users hand to the package, small ones of each, and the readers they reach."""

import functools
import hashlib
import json
import shutil
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import mutations
import numpy as np
import soundfile
import stores
import zarr
from mutations import cells, choose, jsons, lines, npy, one_of, raw, zips

sys.path += [str(Path(__file__).parents[1] / room) for room in ("models", "report")]

IDS = [f"clip {i}" for i in range(7)]
RATE, SECONDS = 8000, 0.5
# Two splits are read wherever clips are prepared; each has both classes.
MANIFEST = [
    {
        "path": f"{label}{i}.wav",
        "label": label,
        "recording_id": f"{label}{i}",
        "split": split,
        "start": 0.0,
        "end": 0.5,
    }
    for label in ("low", "high")
    for i, split in enumerate(("train", "validation", "test"))
]


class Target(NamedTuple):
    """A kind of file.

    Attributes:
      files: what in the folder is mutated, as a glob pattern; a folder where `change` takes one.
      make: writes a small good one into a folder.
      change: (rng, path) changes it.
      read: reads the folder as users reach it; what it returns is hashed where `checked` is set.
      checked: the format has a checksum, so flipped bytes never come back as values.
    """

    files: str
    make: Callable[[Path], None]
    change: Callable[[np.random.Generator, Path], None]
    read: Callable[[Path], Any]
    checked: bool = False


def on_bytes(*mutators: Callable[[np.random.Generator, bytes], bytes]) -> Callable:
    """A change of a file by mutations of its bytes."""
    mutate = one_of(*mutators)

    def change(rng: np.random.Generator, path: Path) -> None:
        path.write_bytes(mutate(rng, path.read_bytes()))

    return change


def either(*changes: Callable) -> Callable:
    """One of several changes."""

    def change(rng: np.random.Generator, path: Path) -> None:
        choose(rng, changes)(rng, path)

    return change


def in_folder(change: Callable) -> Callable:
    """Changes one file somewhere in a folder, or takes it away."""

    def mutate(rng: np.random.Generator, folder: Path) -> None:
        path = choose(rng, sorted(p for p in folder.rglob("*") if p.is_file()))
        if rng.random() < 0.1:
            path.unlink()
        else:
            change(rng, path)

    return mutate


def digest(values: Iterable[Any]) -> str:
    """A hash of arrays, in order."""
    found = hashlib.sha256()
    for value in map(np.asarray, values):
        found.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return found.hexdigest()


# Sounds and manifests, through the data set of a user's folder.


def tone(hz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(SECONDS * RATE)) / RATE)


def write_sounds(folder: Path, suffix: str = "wav", subtype: str = "PCM_16") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in MANIFEST:
        path = (folder / row["path"]).with_suffix(f".{suffix}")
        soundfile.write(path, tone(200 if row["label"] == "low" else 900), RATE, subtype)


def make_sounds(folder: Path, suffix: str, subtype: str) -> None:
    write_sounds(folder / "sounds" / "a", suffix, subtype)
    (folder / "sounds" / "b").mkdir()
    soundfile.write(folder / "sounds" / "b" / "good.wav", tone(440), RATE)


def prepare(folder: Path, **where: str) -> Any:
    from actjax.datasets import audio_folder

    builder = audio_folder.dataset(
        **where, data_dir=str(folder / "data"), clip_seconds=SECONDS, sample_rate_hz=RATE, workers=1
    )
    builder.download_and_prepare()
    return builder


def read_prepared(builder: Any) -> str:
    """Every clip of every split, and what was left out, whose reasons are one line each."""
    import jax

    from actjax.data import loader

    for entry in loader.builder_skipped(builder):
        assert str(entry["reason"]).isprintable() and len(str(entry["reason"])) < 1000, entry
    found = []
    for split in builder.info.splits:
        source = loader.open_source(builder, split)
        found += [np.asarray(source.clip_ids), source.labels]
        for batch in loader.batches(source, batch_size=2):
            found += jax.tree.leaves(batch)
    return digest(found)


def read_sounds(folder: Path) -> str:
    return read_prepared(prepare(folder, path=str(folder / "sounds")))


def make_manifest(folder: Path, suffix: str) -> None:
    write_sounds(folder)
    if suffix == "csv":
        rows = [",".join(MANIFEST[0]), *(",".join(map(str, row.values())) for row in MANIFEST)]
    else:
        rows = [json.dumps(row) for row in MANIFEST]
    (folder / f"manifest.{suffix}").write_text("\n".join(rows) + "\n")


def read_manifest(folder: Path, suffix: str) -> str:
    return read_prepared(prepare(folder, manifest=str(folder / f"manifest.{suffix}")))


# A prepared data set belongs to sounds at a fixed place, beside the folders of the inputs.


def sounds_of(folder: Path) -> Path:
    return folder.parent / "prepared sounds"


def make_prepared(folder: Path) -> None:
    if not sounds_of(folder).exists():
        make_manifest(sounds_of(folder), "jsonl")
    prepare(folder, manifest=str(sounds_of(folder) / "manifest.jsonl"))


def make_shards(folder: Path) -> None:
    """As an interrupted preparation leaves them: shards, and no data set yet."""
    from actjax.data.build import shards

    make_prepared(folder)
    builder = _builder(folder)
    shards.make_shards(
        builder.jobs(), builder.work(), folder=builder._shard_folder(), title="fuzz", workers=1
    )
    shutil.rmtree(builder.data_dir)


def _builder(folder: Path) -> Any:
    from actjax.datasets import audio_folder

    manifest, data = str(sounds_of(folder) / "manifest.jsonl"), str(folder / "data")
    return audio_folder.dataset(
        manifest=manifest, data_dir=data, clip_seconds=SECONDS, sample_rate_hz=RATE, workers=1
    )


def read_again(folder: Path) -> str:
    return read_prepared(prepare(folder, manifest=str(sounds_of(folder) / "manifest.jsonl")))


# Arrays from elsewhere: activations and features.


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {"clip_ids": np.array(IDS), "conv/block1": rng.normal(size=(7, 3, 5, 2)).astype(np.float32)}
    found |= {
        "units": rng.normal(size=(7, 4)).astype(np.float16),
        "conv/block1/hz": np.array([100.0, 300.0, 900.0]),
    }
    return found | {"conv/block1/time0_s": np.float64(0.01), "conv/block1/hop_s": np.float64(0.02)}


def make_arrays(folder: Path, kind: str) -> None:
    folder.mkdir(parents=True)
    values, path = arrays(), folder / f"given.{kind.split()[0]}"
    if kind == "npy":
        for name, value in values.items():
            (path / f"{name}.npy").parent.mkdir(parents=True, exist_ok=True)
            np.save(path / f"{name}.npy", value)
    elif kind.startswith("npz"):
        (np.savez_compressed if "deflated" in kind else np.savez)(path, **values)
    elif kind == "safetensors":
        write_safetensors(path, values)
    elif kind == "h5":
        write_hdf5(path, values)
    else:
        write_zarr(path, values, int(kind[-1]))


def write_safetensors(path: Path, values: dict[str, np.ndarray]) -> None:
    header, data = {"__metadata__": {"clip_ids": json.dumps(IDS)}}, b""
    for name, value in values.items():
        if name == "clip_ids" or value.ndim == 0:
            header["__metadata__"][name] = json.dumps(value.tolist())
            continue
        kind = {"float16": "F16", "float32": "F32", "float64": "F64"}[str(value.dtype)]
        places = [len(data), len(data) + value.nbytes]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": places}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_hdf5(path: Path, values: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        file["conv/block1"], file["units"] = values["conv/block1"], values["units"]
        file["clip_ids"] = IDS
        for key in ("time0_s", "hop_s", "hz"):
            file["conv/block1"].attrs[key] = values[f"conv/block1/{key}"]


def write_zarr(path: Path, values: dict[str, np.ndarray], zarr_format: int) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name in ("conv/block1", "units"):
        group.create_array(name, data=values[name], chunks=(2, *values[name].shape[1:]))
    group.attrs["clip_ids"] = IDS
    for key in ("time0_s", "hop_s", "hz"):
        group["conv/block1"].attrs[key] = np.asarray(values[f"conv/block1/{key}"]).tolist()


def given(folder: Path) -> Path:
    [path] = folder.glob("given.*")
    return path


def read_activations(folder: Path) -> str:
    from actjax.external.layers import open_activations

    found = open_activations(given(folder))
    rows = np.arange(len(found.clip_ids))
    return digest([np.asarray(found.clip_ids), *(layer.read(rows) for layer in found.layers)])


def make_features(folder: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    path = folder / f"given.{kind}"
    columns = {"clip_id": IDS, "pitch": np.arange(7.0).tolist(), "loud": [0.5, 1, 2, 3, 4, 5, 6]}
    if kind == "csv":
        rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(rows) + "\n")
    elif kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        series = np.random.default_rng(1).normal(size=(7, 2, 9)).astype(np.float32)
        about = {"series/hop_s": 0.1, "series/time0_s": 0.05, "series/row_names": ["a", "b"]}
        np.savez(path, clip_ids=np.array(IDS), scalar=np.arange(7.0), series=series, **about)


def read_features(folder: Path) -> str:
    from actjax.external.features import open_features
    from actjax.extraction import tabulated as given_lib

    found = open_features([str(given(folder))], IDS)
    values = [given_lib.values_and_validity(feature, np.arange(7)) for feature in found]
    return digest(side for sides in values for side in sides)


def make_image(folder: Path) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "mean.npy", np.zeros((96, 12), np.float32))


def read_image(folder: Path) -> Any:
    from actjax import run as runs
    from actjax.defaults import default_config

    config = default_config()
    config.frontend.subtract = str(folder / "mean.npy")
    return runs.frontend(config)


# Weights from Keras.

KERAS = ("han2016", (96, 64), {"widths": (2, 3, 4, 5), "embedding": 6})


def make_keras(folder: Path, kind: str) -> None:
    import test_keras

    folder.mkdir(parents=True)
    name, shape, hyper = KERAS
    layers = test_keras.entries(*test_keras.random_variables(name, shape, **hyper)[1:])
    if kind == "h5":
        test_keras.write_keras2(folder / "weights.h5", layers)
    else:
        test_keras.write_keras3(folder / f"weights.{kind}", layers, by_class=False)


def read_keras(folder: Path) -> str:
    import jax

    from actjax.nn.keras.importer import import_keras

    [path] = folder.glob("weights.*")
    name, shape, hyper = KERAS
    return digest(jax.tree.leaves(import_keras(path, name, shape, **hyper).variables))


# The files of a workdir, through the stages that read them.


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
    import ml_collections
    import test_report_findings
    from synthetic_scores import write_workdir

    from actjax import files, workdir
    from actjax import run as runs
    from actjax.artefacts import left_out
    from actjax.data import loader
    from actjax.findings import summary
    from actjax.scoring import score_set
    from actjax.train import checkpoint

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
    kept = checkpoint.Checkpoints(place / "checkpoints")
    kept.save(2, {"best_step": 1, "finished": True}, state={"step": np.int32(2), **weights}, best=weights)
    kept.close()
    record = {"steps": 2, "best_step": 1, "seconds": 0.1, "stopped_early": False, "test_accuracy": 0.5}
    record |= {"weights": checkpoint.content_hash(weights), "train_clips": 2}
    files.write_json(place / "train.json", record)
    run = runs.Run(ml_collections.FrozenConfigDict(make_run(folder)), place, None, str(folder / "data"))
    for stage in workdir.STAGES:
        workdir.claim(place, stage, run.config.to_dict())
    workdir.update_manifest(place, weights=record["weights"])
    source = loader.open_source(runs.builder(run), "test")
    named = score_set.name_of(run, source)
    (place / "scores" / "main.parquet").rename(place / "scores" / f"{named}.parquet")
    files.write_json(place / "findings.json", test_report_findings.table())
    summary.write_arrays(place / "findings" / "arrays.npz", test_report_findings.arrays())
    (place / "benchmark").mkdir()
    columns = "check,family,null,sets,rate,low,high\n"
    row = "rejections,stationary,within_class,1000,0.052,0.04,0.07\n"
    (place / "benchmark" / "calibration.csv").write_text(columns + row)
    row = {"layer": "conv1", "view": "map", "feature": "rms", "reason": "has no frequency axis"}
    left_out.write(place / "scores" / f"{named}.left_out.json", [types.SimpleNamespace(**row)])


def without_pictures() -> None:
    """Leaves out the drawing, which takes seconds; tables and pages are made all the same."""
    import gc

    from matplotlib.figure import Figure

    from actjax import report

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
    from actjax.findings import summary

    found = summary.read_arrays(folder / "run" / "findings" / "arrays.npz")
    return digest(found[part][kind] for part in sorted(found) for kind in sorted(found[part]))


def read_manifest_json(folder: Path) -> None:
    from actjax import workdir

    workdir.update_manifest(folder / "run", again=True)


def of_workdir(files: str, read: Callable, *mutators: Callable, checked: bool = False) -> Target:
    changes = on_bytes(*mutators) if mutators else stores.parquet
    return Target(f"run/{files}", make_workdir, changes, read, checked)


def read_report(folder: Path) -> None:
    run_stages(folder, "report")


def read_record(folder: Path) -> None:
    run_stages(folder, "train", "score")


def targets() -> dict[str, Target]:
    """Every kind by name."""
    found = {}
    for suffix, subtype, header in (
        ("wav", "PCM_16", mutations.wav),
        ("wav", "FLOAT", mutations.wav),
        ("flac", "PCM_16", mutations.flac),
    ):
        make = functools.partial(make_sounds, suffix=suffix, subtype=subtype)
        found[f"{suffix} {subtype}"] = Target(
            f"sounds/a/low0.{suffix}", make, on_bytes(raw, header), read_sounds
        )
    for suffix, row in (("csv", cells), ("jsonl", jsons)):
        make = functools.partial(make_manifest, suffix=suffix)
        read = functools.partial(read_manifest, suffix=suffix)
        found[f"manifest {suffix}"] = Target(
            f"manifest.{suffix}", make, on_bytes(raw, lines(row), lines(row)), read
        )
    inner = one_of(raw, npy, npy)
    for name, pattern, mutators, checked in (
        ("index", "data/*/*/*/index_*.npz", (raw, zips(inner), zips(inner)), True),
        ("records", "data/*/*/*/*.array_record*", (raw,), True),
        ("info", "data/*/*/*/*.[jt][sx]*", (raw, jsons, jsons), False),
    ):
        found[f"prepared {name}"] = Target(pattern, make_prepared, on_bytes(*mutators), read_again, checked)
    found["prepared shards"] = Target(
        "data/*/.shards*/*.npz", make_shards, on_bytes(raw, zips(inner)), read_again, True
    )
    npz = on_bytes(raw, zips(inner), zips(inner))
    for kind, change, checked in (
        ("npz", npz, True),
        ("npz deflated", npz, True),
        ("npy", in_folder(on_bytes(raw, npy, npy)), False),
        ("safetensors", on_bytes(raw, mutations.safetensors), False),
        ("h5", either(on_bytes(raw), stores.hdf5, stores.hdf5), False),
        ("zarr 2", either(in_folder(on_bytes(raw)), stores.zarr, stores.zarr), False),
        ("zarr 3", either(in_folder(on_bytes(raw)), stores.zarr, stores.zarr), False),
    ):
        make = functools.partial(make_arrays, kind=kind)
        found[f"activations {kind}"] = Target("given.*", make, change, read_activations, checked)
    for kind, change, checked in (
        ("csv", on_bytes(raw, lines(cells), lines(cells)), False),
        ("parquet", either(on_bytes(raw), stores.parquet), False),
        ("npz", npz, True),
    ):
        make = functools.partial(make_features, kind=kind)
        found[f"features {kind}"] = Target("given.*", make, change, read_features, checked)
    found["input mean npy"] = Target("mean.npy", make_image, on_bytes(raw, npy), read_image)
    for kind, change in (
        ("h5", either(on_bytes(raw), stores.hdf5, stores.hdf5)),
        ("keras", on_bytes(raw, zips(one_of(raw, jsons, jsons)), zips(jsons))),
    ):
        make = functools.partial(make_keras, kind=kind)
        found[f"keras {kind}"] = Target("weights.*", make, change, read_keras, kind == "keras")
    return found | workdir_targets()


def workdir_targets() -> dict[str, Target]:
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
