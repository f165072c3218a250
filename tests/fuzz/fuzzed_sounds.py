"""Sounds, manifests and prepared data, through the data set of a user's folder."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import soundfile
from kinds import Target, digest, on_bytes
from mutations import cells, jsons, lines, npy, one_of, raw, zips

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


def targets() -> dict[str, Target]:
    """Every kind of sounds, manifests and prepared data by name."""
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
    return found
