"""The public way from arrays to an atlas: keeps sounds and activations as files and scores them as a run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import lookup
from actjax.capturing.captured import Captured
from actjax.results import arrays
from actjax.results.running import run

OF_ARRAYS = frozenset({"data.name", "data.sample_rate_hz", "data.clip_seconds", "score.activations"})
OPTIONS = {"score.metrics": "pearson,spearman", "score.networks": "input", "findings.untrained": 0}


def atlas(
    activations: Any,
    waves: Any,
    sample_rate_hz: float,
    *,
    labels: Sequence[Any] | None = None,
    clip_ids: Sequence[str] | None = None,
    recording_ids: Sequence[str] | None = None,
    hop_s: float | None = None,
    time0_s: float | None = None,
    field_s: float | None = None,
    workdir: str | os.PathLike[str] = "runs/atlas",
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Scores activations of any origin against the features of their sounds; writes a page that plays them.

    The page is a static site: for each neuron the clips that drive it most, to be heard, its maps beside the
    feature that it follows, its profile over all features with null and input. It is that of a run in
    `workdir`, whose report and scores lie there too; `actjax.load_run(workdir, data_dir=...)` opens it. The
    same call again finds everything done.

    >>> import tempfile
    >>> rng, workdir = np.random.default_rng(0), tempfile.mkdtemp()
    >>> gains = np.linspace(0.05, 0.5, 24)
    >>> waves = gains[:, None] * rng.uniform(-1, 1, (24, 4000))  # [clips, samples]
    >>> units = np.stack([gains, rng.normal(size=24)], axis=1)  # [clips, units]: a level, and noise
    >>> small = {"score.features": "rms", "score.metrics": "pearson"}
    >>> small |= {"score.views": "clip", "score.replicates": 19}
    >>> actjax.atlas(units, waves, 8000, workdir=workdir, options=small).name  # doctest: +ELLIPSIS
    note: ...
    'index.html'
    >>> table = actjax.load_scores(workdir).to_pylist()
    >>> [round(row["score"], 2) for row in table if row["network"] == "external" and row["neuron"] == 0]
    [1.0]

    Args:
      activations: [clips, units], [clips, time, channels] or [clips, freq, time, channels], a mapping from
        layers to such arrays, or what `actjax.capture` returned. NumPy, JAX, PyTorch or pandas.
      waves: [clips, samples], or one array [samples] a clip, which may differ in length. Where they exceed
        full scale (1), all are divided by the largest value.
      sample_rate_hz: of the waves.
      labels: a class of each clip, or a list of several; the null then permutes recordings within a class.
      clip_ids: what the page calls the clips; those of the capture, else "0", "1" ...
      recording_ids: the same for clips of one recording, which the null keeps together; the clip ids by
        default.
      hop_s, time0_s: seconds between the frames of layers with time, and the middle of frame 0; a capture
        knows them.
      field_s: what a frame sees, seconds: frames that see beyond the clip are left out; none where absent.
      workdir: where the page and all that it is made from go.
      options: of the run, by their names: {"score.features": "rms,mfcc", "score.null": "unrestricted"}.

    Returns:
      The page, <workdir>/report/atlas/index.html.

    Raises:
      ValueError: arrays that do not fit each other, frames without times, or what the run refuses; one line.
      FileError: the workdir is that of other arrays.
    """
    for name in OF_ARRAYS.intersection(options or ()):
        raise ValueError(f"{name} follows from the arrays: leave it out of options")
    rate = arrays.rate_of(sample_rate_hz)
    known = activations.clip_ids if isinstance(activations, Captured) else None
    clips = arrays.clips_of(waves, known if clip_ids is None else clip_ids, recording_ids, labels)
    layers = arrays.layers_of(activations, len(clips.waves))
    times = arrays.times_of(activations, layers, hop_s, time0_s, field_s)
    where = Path(workdir).expanduser()
    folder = arrays.keep(where, layers, times, clips, rate)
    asked = {**OPTIONS, **(options or {}), **_of_arrays(folder, clips, rate)}
    return run("quickstart", where, options=asked, data_dir=folder / "prepared").atlas


def _of_arrays(folder: Path, clips: arrays.Clips, sample_rate_hz: int) -> dict[str, Any]:
    """The options of a run that scores the arrays."""
    listing = {"manifest": str(folder / "clips.jsonl"), "cut": "first", "min_seconds": 0.0}
    return {
        "data.name": lookup.format_spec("audio_folder", listing),
        "data.sample_rate_hz": sample_rate_hz,
        "data.clip_seconds": max(map(len, clips.waves)) / sample_rate_hz,
        "score.activations": str(folder / "activations"),
    }
