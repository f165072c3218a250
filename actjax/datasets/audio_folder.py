"""Any folder of audio: `<label>/<file>`, a flat folder without labels, or a CSV / JSONL manifest."""

import pathlib
from collections.abc import Sequence

from actjax.data.recordings import files, names
from actjax.data.recordings.decode import SUFFIXES, Recording
from actjax.data.recordings.files import FileBuilder, Listing
from actjax.data.recordings.manifest import Row, read_manifest
from actjax.data.recordings.names import NamePattern
from actjax.files import printable

_WHAT = "audio in one folder a label (<label>/*.wav), or loose files (unlabelled), or name a manifest"
UNLABELLED = "unlabelled"


def dataset(
    *,
    path: str | None = None,
    manifest: str | None = None,
    classes: Sequence[str] | str | None = None,
    pattern: str | None = None,
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
    without sub-folders is unlabelled. Hidden files and folders, what macOS leaves in archives and files that
    are no sound by their name are passed over and listed in skipped.json. With one, each row is a recording
    or a stretch of one: `path` (relative to the manifest's folder and within it, or to and within the option
    `path`), `label` or `labels` (text or whole numbers; separated by ";", or a list in JSONL), `recording_id`
    (the path when absent), `clip_id` (the path and the stretch when absent), `split` (train, validation or
    test), `start` and `end` in seconds.

    Recordings are split 70 / 15 / 15 at random within each class unless the manifest says how. What is
    unlabelled and has no split all goes to "test": it can be scored, not trained on.

    Args:
      path: the folder; with a manifest, where its paths begin: its own folder when absent.
      manifest: a .csv or .jsonl file.
      classes: the class names in order (a list or a comma string); sorted labels when None.
      pattern: how file names tell notes and dynamics, as sample packs' do: "*_{note}_{dynamics}" for
        flute_A#4_mf.wav; see `data.recordings.names`. They become the features `truth_note`,
        `truth_note_class` and `truth_dynamics`.
      data_dir: where prepared clips go; TFDS's default when None.
      clip_seconds, sample_rate_hz: of every clip.
      cut: "consecutive", "first", "centre" or "ten_tenths".
      min_seconds: shorter recordings are left out; half a clip when None.
      seed: of the random split.
      workers: decoding processes; None for one a core.

    Raises:
      FileNotFoundError: the folder or manifest is missing.
      ValueError: it does not have the layout described, or what `files.make_builder` refuses.
    """
    if manifest is not None:
        root = None if path is None else files.need_folder("audio_folder", path, _WHAT)
        rows, passed_over = read_manifest(pathlib.Path(manifest).expanduser(), root), []
    else:
        rows, passed_over = _read_folder(files.need_folder("audio_folder", path, _WHAT))
    named = None if pattern is None else NamePattern(pattern)
    if isinstance(classes, str):
        classes = [name.strip() for name in classes.split(",")]
    return files.make_builder(
        "audio_folder",
        _listing(manifest or "audio_folder", rows, classes, seed, tuple(passed_over), named),
        data_dir=data_dir,
        sample_rate_hz=sample_rate_hz,
        clip_seconds=clip_seconds,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _listing(
    source: str,
    rows: list[Row],
    classes: Sequence[str] | None,
    seed: int,
    passed_over: tuple[tuple[str, str], ...],
    pattern: NamePattern | None,
) -> Listing:
    """What the rows come to; `source`, the manifest or the data set's name, stands in what is refused."""
    labels_used = sorted({label for row in rows for label in row.labels})
    class_names = tuple(classes or labels_used or [UNLABELLED])
    unknown = [label for label in labels_used if label not in class_names]
    if unknown:
        raise ValueError(
            f"{source}: label {unknown[0]!r} is outside the class list {', '.join(class_names[:20])}"
        )
    place = {name: i for i, name in enumerate(class_names)}
    multi_label = bool(labels_used) and any(len(row.labels) != 1 for row in rows)
    recordings = [
        Recording(
            path=row.path,
            recording_id=row.recording_id,
            clip_id=row.clip_id,
            labels=tuple(place[label] for label in row.labels) if labels_used else (0,),
            start_s=row.start,
            end_s=row.end,
        )
        for row in rows
    ]
    if pattern is not None:
        recordings = names.named(recordings, [row.clip_id for row in rows], pattern)
    split_of_row = [row.split for row in rows]
    if any(split_of_row):
        without = [row.clip_id for row in rows if not row.split]
        if without:
            raise files.misfits(source, "a split in every row or in none", without)
        splits = {
            s: [r for r, split in zip(recordings, split_of_row, strict=True) if split == s]
            for s in dict.fromkeys(split_of_row)
        }
    elif not labels_used:
        splits = {"test": recordings}
    else:
        splits = files.split_recordings(recordings, seed)
    known = () if pattern is None else pattern.known
    return Listing(splits, class_names, multi_label, passed_over=passed_over, known=known)


def _read_folder(folder: pathlib.Path) -> tuple[list[Row], list[tuple[str, str]]]:
    entries = [(path, files.why_not(path)) for path in sorted(folder.iterdir())]
    # A link to a folder is the user's own wish here, where each folder is named.
    subfolders = [p for p, why in entries if why in (None, "a link to a folder") and p.is_dir()]
    loose = [p for p, why in entries if why is None and not p.is_dir()]
    if subfolders and loose:
        raise files.misfits("audio_folder", f"audio in one folder a label below {folder}", loose)
    passed_over = [(printable(str(p)), why) for p, why in entries if why and p not in subfolders]
    rows = [_row(path, folder, ()) for path in loose]
    for sub in subfolders:
        sounds, others = files.sounds_below(sub)
        if not sounds:
            raise ValueError(
                f"audio_folder: class {printable(sub.name)!r} is empty: {printable(str(sub))} holds no audio "
                f"({', '.join(SUFFIXES)})"
            )
        rows += [_row(path, folder, (printable(sub.name),)) for path in sounds]
        passed_over += others
    if not rows:
        raise ValueError(f"audio_folder: {folder} holds no audio ({', '.join(SUFFIXES)}); put there {_WHAT}")
    return rows, passed_over


def _row(path: pathlib.Path, folder: pathlib.Path, labels: tuple[str, ...]) -> Row:
    # A name may be no text at all: bytes that are not UTF-8 are escaped, as everywhere that it is shown.
    name = printable(path.relative_to(folder).as_posix())
    return Row(path=str(path), place=name, recording_id=name, clip_id=name, labels=labels)
