"""Finds which metrics and features of a run are not scored yet: score sets grow by what is new alone."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from actjax import code_version, files, lookup, runs
from actjax.data.source import Source
from actjax.external import truth
from actjax.scores import files as scores_files
from actjax.scoring import checkpoints, from_elsewhere
from actjax.setup import resolve
from actjax.workdir import train_record

# Of config.score, what the scores of one metric do not share with those of another.
_OF_METRICS = ("metrics", "features", "null", "replicates", "null_metrics", "null_views", "level")
# Checkpoints count by their weights, however they are chosen.
_CHECKPOINTS = "checkpoints"
_OF_NULL = ("null", "replicates", "null_views", "level")
_MACHINERY = "actjax.scoring.results"


class MadeFrom(NamedTuple):
    """All that a score set's scores depend on, as hashes; written beside them.

    Attributes:
      base: of weights, clips, preprocessing, code and the options that all scores share.
      metrics: each metric as the config names it -> its code and null.
      features: each feature likewise -> its code.
      tested: the metrics that have a null, whose corrected p-values hold for these features alone.
    """

    base: str
    metrics: Mapping[str, str]
    features: Mapping[str, str]
    tested: Sequence[str]

    def key(self) -> str:
        """A hash of everything, which names the score set."""
        return files.digest([self.base, dict(self.metrics), dict(self.features)])


def made_from(run: runs.Run, source: Source) -> MadeFrom:
    """What the scores of a run, of all its metrics and features, are made from."""
    config = run.config
    shared = {name: value for name, value in config.score.items() if name not in (*_OF_METRICS, _CHECKPOINTS)}
    held = [[spec, code_version.version(_feature_module(name))] for spec, name in _held(run)]
    base = [
        scores_files.VERSION,
        shared,
        weights(run),
        source.fingerprint,
        *from_elsewhere.fingerprint(run.setup.scored),
        config.frontend.to_dict(),
        [config.data.clip_seconds, config.data.sample_rate_hz, config.seed],
        code_version.version(_MACHINERY, network_module(run)),
        *held,
        *checkpoints.fingerprint(run),
    ]
    null, tested, metrics = run.setup.scored.null, [], {}
    for spec, name in _specs(config.score.metrics):
        of_null = None
        if null is not None and name in null.metrics:
            tested.append(spec)
            of_null = [config.data.seed, *(config.score[option] for option in _OF_NULL)]
        metrics[spec] = files.digest([code_version.version(f"actjax.metrics.{name}"), of_null])
    features = {spec: code_version.version(_feature_module(n)) for spec, n in _specs(config.score.features)}
    return MadeFrom(files.digest(base), metrics, features, tested)


def weights(run: runs.Run) -> str:
    """The hash of the trained network's weights; "none" where it is not scored."""
    if "trained" not in run.setup.scored.networks:
        return "none"
    return train_record.need(run.workdir).weights


def network_module(run: runs.Run) -> str:
    """The module that builds the run's network, of ours or of a user's."""
    model = run.setup.model
    return model.name if model.is_users else f"actjax.models.{model.name}"


def missing(run: runs.Run, wanted: MadeFrom, sets: Mapping[Path, MadeFrom]) -> list[runs.Run]:
    """The run in as many pieces as have to be scored: each some of its metrics and features; none if all are.

    Args:
      run: the run.
      wanted: what its scores are made from.
      sets: what the score sets that are there and whole are made from.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    there = [one for one in sets.values() if one.base == wanted.base]
    for metric, version in wanted.metrics.items():
        of_metric = [one.features for one in there if one.metrics.get(metric) == version]
        if metric in wanted.tested:
            # A corrected p-value belongs to its family, all features of the run: it is made whole.
            scored = wanted.features if any(dict(f) == dict(wanted.features) for f in of_metric) else {}
        else:
            scored = {name: of for features in of_metric for name, of in features.items()}
        lacking = tuple(name for name, of in wanted.features.items() if scored.get(name) != of)
        if lacking:
            groups.setdefault(lacking, []).append(metric)
    return [_narrowed(run, metrics, features) for features, metrics in groups.items()]


def serves(one: MadeFrom, wanted: MadeFrom) -> bool:
    """Whether a score set holds some of the scores that are wanted."""
    metrics = any(wanted.metrics.get(metric) == version for metric, version in one.metrics.items())
    return metrics and one.base == wanted.base


def _narrowed(run: runs.Run, metrics: Sequence[str], features: Sequence[str]) -> runs.Run:
    """The run with some of its metrics and features, and the features that are held fixed."""
    chosen = dict.fromkeys((*features, *(spec for spec, _ in _held(run))))
    named = {"metrics": ",".join(metrics), "features": ",".join(chosen)}
    if all(run.config.score[option] == value for option, value in named.items()):
        return run
    config = ml_collections.ConfigDict(run.config.to_dict())
    config.update({"score": named})
    frozen = ml_collections.FrozenConfigDict(config)
    return dataclasses.replace(run, config=frozen, setup=resolve(frozen))


def _held(run: runs.Run) -> list[tuple[str, str]]:
    """(spec, name) of the features that score.nuisances holds fixed, in any order of the features."""
    fixed = run.setup.scored.nuisances
    return sorted((spec, name) for spec, name in _specs(run.config.score.features) if name in fixed)


def _specs(text: str) -> list[tuple[str, str]]:
    """(spec, name) of a comma list, each spec as `lookup.format_spec` writes it."""
    return [(lookup.format_spec(name, options), name) for name, options in lookup.parse_specs(text)]


def _feature_module(name: str) -> str:
    return truth.__name__ if name in truth.NAMES else f"actjax.features.{name}"


def read(note: Mapping[str, Any]) -> MadeFrom | None:
    """What a score set's note says that it is made from; None of an older version's."""
    entries: Any = note.get("made_from")
    if not isinstance(entries, dict) or set(entries) != set(MadeFrom._fields):
        return None
    known = isinstance(entries["base"], str) and isinstance(entries["tested"], list)
    both = [entries["metrics"], entries["features"]]
    return MadeFrom(**entries) if known and all(isinstance(one, dict) for one in both) else None
