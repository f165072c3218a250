"""Looks at a folder of sounds before a run, and names all that stands in its way, each with its answer.

The headers of the files say how long they are, and the listing which class and split they are in: enough to
know what later stages would refuse one after another.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
import numpy as np
import soundfile

from actjax import memory, runs
from actjax.data.recordings.decode import Recording, plan_clips
from actjax.data.source import ALL, Source, joined
from actjax.defaults import Config
from actjax.findings import requirements
from actjax.findings.claims import setting
from actjax.scoring import nulls
from actjax.statistics.requirements import check_replicates

# So many files are looked at; of more, as many are drawn evenly.
MOST_FILES = 2000
# Below this share of recordings too short, they are left out without a word of ours.
FEW = 0.1
# What makes a network's image larger, tried in this order; then a network that takes small ones.
IMAGES: tuple[Mapping[str, Any], ...] = (
    {"frontend.hop_samples": 128},
    {"frontend.hop_samples": 64},
    {"frontend.n_fft": 256, "frontend.hop_samples": 32},
    {"model.name": "singlelayer(filter_heights=(7,))", "frontend.hop_samples": 128},
)
NULLS: tuple[Mapping[str, Any], ...] = (
    {"score.split": ALL},
    {"score.null": "unrestricted"},
    {"score.split": ALL, "score.null": "unrestricted"},
    {"score.null": "none"},
)
TRAINED_ON = "score.split = all: clips that the network is trained on are among those that are scored"
FEW_CLIPS = 30  # scored clips, below which intervals are wide
# A name that ends in a number of its own: take1_01, "solo 3", cut-0012.
CUT = re.compile(r"(?P<stem>.*[A-Za-z]\w*?)[ _.-]+(?P<number>\d+)")


class Obstacle(NamedTuple):
    """What stands in the way, and the options that answer it; none where a person has to."""

    said: str
    options: Mapping[str, Any]


@dataclasses.dataclass
class Survey:
    """All that a look at the files gives.

    Attributes:
      obstacles: what a run would be refused for.
      notes: what is worth knowing, and stands in nobody's way.
    """

    obstacles: list[Obstacle] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """The options that answer all obstacles together."""
        return dict(itertools.chain.from_iterable(one.options.items() for one in self.obstacles))

    def refusal(self) -> str:
        """One line with all obstacles, and the flags to type."""
        several = len(self.obstacles) > 1
        said = "; ".join(f"({i}) " * several + one.said for i, one in enumerate(self.obstacles, 1))
        count = f"{len(self.obstacles)} obstacles" if several else "an obstacle"
        answers, without = (
            flags(self.options),
            "" if all(one.options for one in self.obstacles) else " in part",
        )
        return f"{count}: {said}" + (f"; flags that answer them{without}: {answers}" if answers else "")


def flags(options: Mapping[str, Any], set_by_user: Collection[str] = ()) -> str:
    """The flags to type for options, without those that a person has given."""
    shown = (
        f"--config.{name}={_quoted(value)}" for name, value in options.items() if name not in set_by_user
    )
    return " ".join(shown)


def survey(run: runs.Run, stages: Sequence[str]) -> Survey:
    """Surveys a run over a listing of sound files; other data sets give an empty survey.

    What has to be downloaded before it can be listed, as sets of the TFDS catalogue, is not surveyed. Each
    check is the one that a later stage makes. Where it refuses, options are tried that would answer it, and
    the checks that follow are made with them.
    """
    result = Survey()
    listing = getattr(run.builder.builder_config, "listing", None)
    if listing is None or not any(listing.recordings.values()):
        return result
    now: Config = ml_collections.ConfigDict(run.config.to_dict())
    seconds = _durations(run.builder.jobs())
    result.notes += _cuts(run.builder.jobs())
    for needed_by, check, remedies in _checks(run, seconds):
        if needed_by not in stages:
            continue
        refusal = _refusal(check, run, now)
        if refusal is None:
            continue
        answer = next((one for one in remedies if _refusal(check, run, _with(now, one)) is None), {})
        now.update_from_flattened_dict(dict(answer))
        result.obstacles.append(Obstacle(refusal, answer))
    scored = len(_scored(_opened(run, now), seconds))
    if "score" in stages and scored < FEW_CLIPS:
        others = any(split != now.score.split for split, of_split in run.builder.jobs().items() if of_split)
        more = f"; --config.score.split={ALL} scores every clip" if others and now.score.split != ALL else ""
        result.notes.append(f"only {scored} clips are scored, so intervals are wide{more}")
    if "train" in stages and now.score.split == ALL:
        result.notes.append(TRAINED_ON)
    return result


def _checks(
    run: runs.Run, seconds: Mapping[str, float]
) -> Iterator[tuple[str, Callable[[runs.Run], None], Sequence[Mapping[str, Any]]]]:
    """(the stage that refuses, its check, options that may answer it), in the order of the stages."""

    def null(one: runs.Run) -> None:
        asked = one.setup.scored.null
        if asked is not None:
            check_replicates(asked.replicates, asked.level)
        nulls.draws(asked, _scored(one, seconds))

    def findings(one: runs.Run) -> None:
        if requirements.left_out(one.setup) is None:
            setting.settings(one.setup.findings, _scored(one, seconds))

    def splits(one: runs.Run) -> None:
        if not one.builder.jobs().get("train"):
            raise ValueError(
                "nothing is in the split train: put each class in a folder of its own, or give a manifest "
                "with labels; loose files can be scored with --config.score.activations"
            )

    def lengths(one: runs.Run) -> None:
        _check_lengths(one, seconds)

    def image(one: runs.Run) -> None:
        memory.check_training(one.setup, one.config.train.batch_size)

    yield "data", lengths, [{"data.clip_seconds": _shorter(seconds)}]
    yield "train", splits, []
    yield "train", image, IMAGES
    yield "score", null, NULLS
    yield "findings", findings, [{"findings.untrained": 0}]


def _refusal(check: Callable[[runs.Run], None], run: runs.Run, config: Config) -> str | None:
    """What a check says of a run with that config; None where nothing stands in the way."""
    try:
        check(_opened(run, config))
    except ValueError as error:
        return " ".join(str(error).split())
    return None


def _opened(run: runs.Run, config: Config) -> runs.Run:
    return runs.open_run(config, run.workdir, config_path=run.config_path, data_dir=run.data_dir)


def _with(config: Config, options: Mapping[str, Any]) -> Config:
    changed: Config = ml_collections.ConfigDict(config.to_dict())
    changed.update_from_flattened_dict(dict(options))
    return changed


def _durations(jobs: Mapping[str, Sequence[Recording]]) -> dict[str, float]:
    """Clip id -> seconds by the file's header; what cannot be told is left to decoding."""
    recordings = [one for of_split in jobs.values() for one in of_split]
    chosen = recordings[:: -(-len(recordings) // MOST_FILES)]
    seconds = {}
    for one in chosen:
        try:
            whole = soundfile.info(one.path).duration
        except (OSError, RuntimeError, TypeError):
            continue
        seconds[one.clip_id] = (whole if one.end_s is None else min(one.end_s, whole)) - one.start_s
    return seconds


def _check_lengths(run: runs.Run, seconds: Mapping[str, float]) -> None:
    """Raises ValueError where many recordings are too short to be used."""
    least = run.builder.builder_config.cutting.min_seconds
    short = [name for name, length in seconds.items() if length < least]
    if len(short) > FEW * len(seconds):
        raise ValueError(
            f"{len(short)} of {len(seconds)} recordings are shorter than {least:g} s, half a clip of "
            f"data.clip_seconds = {run.builder.builder_config.clip_seconds:g}, and would be left out"
        )


def _shorter(seconds: Mapping[str, float]) -> float:
    """A length of clips that nine of ten recordings fill, in two digits."""
    tenth = float(np.quantile(list(seconds.values()), FEW)) if seconds else 1.0
    return max(float(f"{np.floor(tenth * 100) / 100:.2g}"), 0.01)


def _scored(run: runs.Run, seconds: Mapping[str, float]) -> Source:
    """The clips that would be scored, without their sound: ids and labels alone."""
    jobs, split = run.builder.jobs(), run.config.score.split
    if split == ALL:
        return joined([_source(run, of_split, seconds) for of_split in jobs.values()])
    return _source(run, jobs.get(split, ()), seconds)


def _source(run: runs.Run, recordings: Sequence[Recording], seconds: Mapping[str, float]) -> Source:
    cutting, names = run.builder.builder_config.cutting, run.builder.class_names
    clips: list[Recording] = []
    for one in recordings:
        length = seconds.get(one.clip_id, cutting.clip_samples / cutting.sample_rate_hz)
        if length >= cutting.min_seconds:
            samples = round(length * cutting.sample_rate_hz)
            count = sum(1 for _ in plan_clips(samples, cutting.clip_samples, cutting.rule))
            clips += [one] * count
    if run.builder.multi_label:
        labels = np.array([[i in one.labels for i in range(len(names))] for one in clips], np.uint8)
    else:
        labels = np.array([one.labels[0] for one in clips], np.int32)
    ids = [f"{one.clip_id}#{i}" for i, one in enumerate(clips)]
    rate = cutting.sample_rate_hz
    return Source(None, ids, [one.recording_id for one in clips], labels, tuple(names), rate, 1, "", None)


def _cuts(jobs: Mapping[str, Sequence[Recording]]) -> list[str]:
    """A note where files of one name and running numbers, each its own recording, are in several splits."""
    groups: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for split, recordings in jobs.items():
        for one in recordings:
            path = Path(one.path)
            match = CUT.fullmatch(path.stem)
            if match and one.recording_id == one.clip_id:
                groups.setdefault((str(path.parent), match["stem"]), set()).add((split, path.name))
    parted = [names for names in groups.values() if len({split for split, _ in names}) > 1]
    # One such name a folder is how recordings are numbered: cello_1 .. cello_30.
    if len(parted) < 2 or len(groups) < 2 * len({folder for folder, _ in groups}):
        return []
    first = sorted(name for _, name in sorted(parted, key=sorted)[0])[:2]
    return [
        f"{' and '.join(first)} look like cuts of one recording, and {len(parted)} such groups are in more "
        "than one split, which makes a network look better than it is: the recording_id of a manifest keeps "
        "them together"
    ]


def _quoted(value: Any) -> str:
    """A value as a shell takes it."""
    return f'"{value}"' if isinstance(value, str) and not re.fullmatch(r"[\w.,-]+", value) else str(value)
