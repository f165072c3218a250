"""Arrays of activations and waves, checked and kept as files that a run reads."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import containers, files
from actjax.capturing.captured import Captured, checked_ids
from actjax.external.folder import LayerTimes, new_folder
from actjax.options import RANGES
from actjax.workdir import recorded_config

# Where the arrays lie in the workdir, and what says of which arrays it is.
ARRAYS, DIGEST = "arrays", "digest.json"
ONE_LAYER = "activations"


class Clips(NamedTuple):
    """The clips of an atlas, as they came.

    Attributes:
      waves: [samples] float32 of each, within -1 .. 1.
      ids, recordings: of each.
      labels: the names of each clip's classes; None where nobody names them.
    """

    waves: list[np.ndarray]
    ids: tuple[str, ...]
    recordings: tuple[str, ...]
    labels: list[Any] | None


def rate_of(sample_rate_hz: float) -> int:
    """A rate as a whole number; ValueError for one that no sound has."""
    whole = isinstance(sample_rate_hz, float) and sample_rate_hz.is_integer()
    return RANGES["sample_rate_hz"]("sample_rate_hz", int(sample_rate_hz) if whole else sample_rate_hz)


def layers_of(activations: Any, clips: int) -> dict[str, np.ndarray]:
    """The arrays by layer.

    Raises:
      ValueError: no array of numbers with two to four axes; another number of clips.
    """
    named = activations if isinstance(activations, Mapping) else {ONE_LAYER: activations}
    if not named:
        raise ValueError("expected activations of a layer at least, got an empty mapping")
    layers = {str(name): np.asarray(containers.opened(values).values) for name, values in named.items()}
    for name, values in layers.items():
        if values.dtype.kind not in "fiub" or values.ndim not in (2, 3, 4) or 0 in values.shape:
            raise ValueError(
                f"layer {name!r}: expected numbers [clips, units], [clips, time, channels] or "
                f"[clips, freq, time, channels], got {values.dtype} of shape {list(values.shape)}"
            )
        if len(values) != clips:
            raise ValueError(f"layer {name!r}: expected {clips} clips, one a wave, got {len(values)}")
    return layers


def times_of(
    activations: Any,
    layers: Mapping[str, np.ndarray],
    hop_s: float | None,
    time0_s: float | None,
    field_s: float | None,
) -> dict[str, LayerTimes]:
    """Where each layer lies: as its capture measured it, or as it is said.

    Raises:
      ValueError: a layer has frames and nobody says when they are.
    """
    if isinstance(activations, Captured) and activations.times:
        return dict(activations.times)
    times = {}
    for i, (name, values) in enumerate(layers.items()):
        depth = (i + 1) / (len(layers) + 1)
        if values.ndim == 2:
            times[name] = LayerTimes(depth)
            continue
        if hop_s is None or time0_s is None:
            raise ValueError(
                f"layer {name!r} has {values.shape[-2]} frames: say hop_s=, the seconds between them, and "
                "time0_s=, the middle of the first, or give what actjax.capture returns"
            )
        times[name] = LayerTimes(depth, time0_s, hop_s, hop_s if field_s is None else field_s)
    return times


def clips_of(
    waves: Any, clip_ids: Sequence[str] | None, recording_ids: Sequence[str] | None, labels: Any
) -> Clips:
    """Waves, ids and labels, checked and in float32."""
    whole = containers.opened(waves).values
    each = [np.asarray(containers.opened(wave).values) for wave in whole]
    for i, wave in enumerate(each):
        if wave.ndim != 1 or not wave.size or wave.dtype.kind not in "fiu" or not np.isfinite(wave).all():
            raise ValueError(
                f"wave {i}: expected finite numbers [samples], got {wave.dtype} of shape {list(wave.shape)}"
            )
    if not each:
        raise ValueError("expected waves [clips, samples], got none")
    ids = checked_ids(None if clip_ids is None else list(map(_name, clip_ids)), len(each))
    recordings = ids if recording_ids is None else tuple(map(_name, recording_ids))
    named = None if labels is None else _labels(labels)
    for what, of_clips in (("recording_ids", recordings), ("labels", named)):
        if of_clips is not None and len(of_clips) != len(each):
            raise ValueError(f"expected {len(each)} {what}, one a clip, got {len(of_clips)}")
    peak = max(float(np.abs(wave.astype(np.float64)).max()) for wave in each)
    if peak > 1:
        print(f"waves reach {peak:.5g}, where full scale is 1: all are divided by it")
    return Clips([(wave / max(peak, 1.0)).astype(np.float32) for wave in each], ids, recordings, named)


def _labels(labels: Any) -> list[Any]:
    """A label, or a list of labels, of each clip, as JSON has them."""
    values = containers.labels(labels)
    if isinstance(values, np.ndarray) or hasattr(values, "tolist"):
        if np.ndim(values) != 1:
            raise ValueError(
                f"expected a label a clip, or a list of the names of its classes, got an array of shape "
                f"{list(np.shape(values))}"
            )
        values = values.tolist()
    several = (list, tuple, set)
    return [list(map(_plain, one)) if isinstance(one, several) else _plain(one) for one in values]


def _name(value: Any) -> str:
    """An id as manifests have it; ValueError for an empty one."""
    name = files.printable(str(value).strip())
    if not name:
        raise ValueError("expected ids that say something, got an empty one")
    return name


def _plain(value: Any) -> Any:
    """A scalar of NumPy's as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def keep(
    workdir: Path,
    layers: Mapping[str, np.ndarray],
    times: Mapping[str, LayerTimes],
    clips: Clips,
    sample_rate_hz: int,
) -> Path:
    """The folder of the arrays as files, which appears whole; the same arrays are not written again.

    Raises:
      FileError: the workdir holds other arrays, or is that of another run.
    """
    folder, digest = workdir / ARRAYS, _digest(layers, times, clips, sample_rate_hz)
    recorded = files.read_json(folder / DIGEST, {}).get("digest")
    if recorded == digest:
        return folder
    if recorded_config.is_recorded(workdir) or (folder.exists() and recorded is None):
        raise files.FileError(workdir, "is that of other arrays: name another workdir, or remove it")
    # Of a call whose run was refused, nothing but the arrays is there.
    shutil.rmtree(folder, ignore_errors=True)
    aside = workdir / f".{ARRAYS}.{files.RUN}.part"
    try:
        aside.mkdir(parents=True)
        _write_sounds(aside, clips, sample_rate_hz)
        with new_folder(aside / "activations", len(clips.waves), "float32") as writer:
            writer.add(layers)
            writer.finish(clips.ids, times)
        files.write_json(aside / DIGEST, {"digest": digest})
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _write_sounds(folder: Path, clips: Clips, sample_rate_hz: int) -> None:
    """A file of each clip, and the manifest that lists them."""
    import soundfile

    (folder / "sounds").mkdir()
    lines = []
    for i, (wave, clip, recording) in enumerate(zip(clips.waves, clips.ids, clips.recordings, strict=True)):
        path = f"sounds/{i}.wav"
        soundfile.write(folder / path, wave, sample_rate_hz, subtype="FLOAT")
        line: dict[str, Any] = {"path": path, "clip_id": clip, "recording_id": recording, "split": "test"}
        if clips.labels is not None:
            of_clip = clips.labels[i]
            line["labels"] = of_clip if isinstance(of_clip, list) else [of_clip]
        lines.append(json.dumps(line))
    files.write_text(folder / "clips.jsonl", "\n".join(lines) + "\n")


def _digest(
    layers: Mapping[str, np.ndarray], times: Mapping[str, LayerTimes], clips: Clips, sample_rate_hz: int
) -> str:
    """A hash of all that came."""
    whole = hashlib.sha256(repr((sample_rate_hz, clips.ids, clips.recordings, clips.labels)).encode())
    for name, values in layers.items():
        whole.update(repr((name, values.shape, values.dtype.str, times[name])).encode())
        whole.update(np.ascontiguousarray(values).tobytes())
    for wave in clips.waves:
        whole.update(repr(len(wave)).encode() + wave.tobytes())
    return whole.hexdigest()
