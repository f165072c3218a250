"""Any folder of audio: `<label>/<file>`, a flat folder without labels, or a CSV / JSONL manifest."""

import csv
import json
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from actjax.datasets import _files
from actjax.datasets._decode import SUFFIXES, Recording
from actjax.datasets._files import FileBuilder, Listing

_WHAT = "audio in one folder a label (<label>/*.wav), or loose files (unlabelled), or name a manifest"
_COLUMNS = ("path", "label", "labels", "recording_id", "split", "start", "end")
UNLABELLED = "unlabelled"


def dataset(
    *,
    path: str | None = None,
    manifest: str | None = None,
    classes: Sequence[str] | str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    cut: str = "consecutive",
    min_seconds: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of a folder of audio.

    Without a manifest, each sub-folder is a class and each file below it a recording; a folder
    without sub-folders is unlabelled. With one, each row is a recording or a stretch of one: `path`
    (relative to the manifest, and within its folder), `label` or `labels` (separated by ";", or a list
    in JSONL), `recording_id` (the path when absent), `split`, `start` and `end` in seconds.

    Recordings are split 70 / 15 / 15 at random within each class unless the manifest says how. What is
    unlabelled and has no split all goes to "test": it can be scored, not trained on.

    Args:
      path: the folder; the manifest's own when absent.
      manifest: a .csv or .jsonl file.
      classes: the class names in order (a list or a comma string); sorted labels when None.
      data_dir: where prepared clips go; TFDS's default when None.
      clip_seconds, sample_rate_hz: of every clip.
      cut: "consecutive", "first", "centre" or "ten_tenths".
      min_seconds: shorter recordings are left out; half a clip when None.
      seed: of the random split.
      workers: decoding processes; None for one a core.

    Raises:
      FileNotFoundError: the folder or manifest is missing.
      ValueError: it does not have the layout described, or what `_files.make_builder` refuses.
    """
    if manifest is not None:
        rows = _read_manifest(pathlib.Path(manifest).expanduser())
    else:
        rows = _read_folder(_files.need_folder("audio_folder", path, _WHAT))
    if isinstance(classes, str):
        classes = [name.strip() for name in classes.split(",")]
    return _files.make_builder(
        "audio_folder",
        _listing(rows, classes, seed),
        data_dir=data_dir,
        sample_rate_hz=sample_rate_hz,
        clip_seconds=clip_seconds,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _listing(rows: list[dict[str, Any]], classes: Sequence[str] | None, seed: int) -> Listing:
    found = sorted({label for row in rows for label in row["labels"]})
    class_names = tuple(classes or found or [UNLABELLED])
    unknown = [label for label in found if label not in class_names]
    if unknown:
        raise ValueError(
            f"audio_folder: label {unknown[0]!r} is outside the class list {', '.join(class_names[:20])}"
        )
    multi_label = bool(found) and any(len(row["labels"]) != 1 for row in rows)
    recordings = [
        Recording(
            path=str(row["path"]),
            recording_id=row["recording_id"],
            clip_id=row["clip_id"],
            labels=tuple(class_names.index(label) for label in row["labels"]) if found else (0,),
            start_s=row["start"],
            end_s=row["end"],
        )
        for row in rows
    ]
    given = [row["split"] for row in rows]
    if any(given):
        without = [row["clip_id"] for row in rows if not row["split"]]
        if without:
            raise _files.misfits("audio_folder", "a split in every row or in none", without)
        splits = {
            s: [r for r, own in zip(recordings, given, strict=True) if own == s] for s in dict.fromkeys(given)
        }
    elif not found:
        splits = {"test": recordings}
    else:
        splits = _files.split_recordings(recordings, seed)
    return Listing(splits, class_names, multi_label)


def _read_folder(folder: pathlib.Path) -> list[dict[str, Any]]:
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    loose = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()]
    if subfolders and loose:
        raise _files.misfits("audio_folder", f"audio in one folder a label below {folder}", loose)
    rows = [_row(path, folder, []) for path in loose]
    for sub in subfolders:
        files = sorted(p for p in sub.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise ValueError(
                f"audio_folder: class {sub.name!r} is empty: {sub} holds no audio ({', '.join(SUFFIXES)})"
            )
        rows += [_row(path, folder, [sub.name]) for path in files]
    if not rows:
        raise ValueError(f"audio_folder: {folder} holds no audio ({', '.join(SUFFIXES)}); put there {_WHAT}")
    return rows


def _row(path: pathlib.Path, folder: pathlib.Path, labels: list[str]) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    own = {"path": path, "recording_id": name, "clip_id": name, "labels": labels}
    return {**own, "split": "", "start": 0.0, "end": None}


def _read_manifest(manifest: pathlib.Path) -> list[dict[str, Any]]:
    if not manifest.is_file():
        raise FileNotFoundError(
            f"audio_folder: there is no manifest {manifest}; expected a .csv or .jsonl file"
        )
    folder, rows = manifest.parent.resolve(), []
    for number, entry in _entries(manifest):
        where = f"audio_folder: {manifest.name} line {number}"
        unknown = [str(name) for name in entry if name not in _COLUMNS]
        if unknown or not entry.get("path"):
            came = ", ".join(map(str, entry))
            raise ValueError(f"{where}: expected the columns {', '.join(_COLUMNS)} and a path; got {came}")
        path = (folder / str(entry["path"])).resolve()
        if not path.is_relative_to(folder):
            raise ValueError(f"{where}: the path {entry['path']} leaves the manifest's folder; it is refused")
        rows.append(_manifest_row(where, path, path.relative_to(folder).as_posix(), entry))
    if not rows:
        raise ValueError(f"audio_folder: the manifest {manifest} has no rows")
    return rows


def _manifest_row(where: str, path: pathlib.Path, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    labels = entry.get("labels") or entry.get("label") or []
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(";") if label.strip()]
    try:
        start = float(entry.get("start") or 0.0)
        end = float(entry["end"]) if entry.get("end") not in (None, "") else None
    except ValueError as error:
        raise ValueError(
            f"{where}: start and end are seconds; got {entry.get('start')!r}, {entry.get('end')!r}"
        ) from error
    if not math.isfinite(start) or start < 0 or (end is not None and not start < end < math.inf):
        raise ValueError(f"{where}: expected 0 <= start < end; got start {start:g}, end {end}")
    return {
        "path": path,
        "recording_id": str(entry.get("recording_id") or name),
        "clip_id": name if not start else f"{name}@{start:g}",
        "labels": list(dict.fromkeys(map(str, labels))),
        "split": str(entry.get("split") or ""),
        "start": start,
        "end": end,
    }


def _entries(manifest: pathlib.Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(manifest, encoding="utf-8-sig", newline="") as file:
        if manifest.suffix == ".csv":
            reader = csv.DictReader(file)
            for entry in reader:
                yield reader.line_num, entry
        elif manifest.suffix == ".jsonl":
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _json_object(manifest, number, line)
        else:
            raise ValueError(f"audio_folder: the manifest must end in .csv or .jsonl, got {manifest.name}")


def _json_object(manifest: pathlib.Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"audio_folder: {manifest.name} line {number} is no JSON: {error}") from error
    if not isinstance(entry, dict):
        raise ValueError(
            f"audio_folder: {manifest.name} line {number}: expected an object, got {line.strip()[:40]}"
        )
    return entry
