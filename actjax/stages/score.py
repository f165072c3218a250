"""Scores every neuron of every network against every feature, in one pass over the clips."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, lookup, options, parallel, workdir
from actjax.activations import capture, problems
from actjax.datasets import loader
from actjax.report import scores
from actjax.stages import _comparisons, _examples, _external, _memory, _networks, _nulls, _parts, _score_pass
from actjax.statistics.resolution import check_replicates

FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything a score run will do.

    Attributes:
      families: networks and their comparisons.
      features: the features, in order.
      left_out: comparisons that cannot be made, and why.
    """

    families: tuple[tuple[capture.Family, tuple[_comparisons.Comparison, ...]], ...]
    features: tuple[Any, ...]
    left_out: tuple[problems.LeftOut, ...]


def stage(run: _parts.Run) -> list[Path]:
    """Scores the run's networks; a score set made before with the same options is kept."""
    workdir.claim(run.workdir, "score", run.config.to_dict())
    builder = _parts.builder(run)
    elsewhere = _external.activations(run.config)
    source = _external.in_file_order(loader.open_source(builder, run.config.score.split), elsewhere)
    path = run.workdir / "scores" / f"{score_set(run, source)}.parquet"
    outputs = [path, run.workdir / "scores" / "examples.npz"]
    if path.exists():
        print(f"score: done before, {path}")
        return outputs
    draws = _nulls.draws(run.config, source)
    networks = _external.networks(run.config)
    train_split = loader.open_source(builder, "train") if "untrained" in networks else source
    own = [name for name in networks if name not in ("input", _external.NETWORK)]
    weights = {name: _networks.variables(run, name, train_split) for name in own}
    made = plan(run, source, weights, elsewhere)
    if parallel.process_index() == 0 and made.left_out:
        files.write_json(run.workdir / "left_out.json", [dataclasses.asdict(x) for x in made.left_out])
    observe = capture.make_observe([f for f, _ in made.families], made.features, _parts.frontend(run.config))
    replicated = [parallel.replicate(family.variables) for family, _ in made.families]
    read = _external.reader(elsewhere, [f for f, _ in made.families], made.features, source)
    found = list(_results(run, made, source, observe, replicated, draws, read))
    _nulls.correct(found)
    _examples.write(outputs[1], observe, replicated, made.families, found, source, run.config, read)
    if parallel.process_index() == 0:
        blocks = (block for result in found for block in _blocks(run, *result))
        config, checkpoint = run.config.to_dict(), _checkpoint_id(run)
        step = files.read_json(run.workdir / "train.json", {}).get("best_step")
        metadata = {"config": config, "checkpoint": {"hash": checkpoint, "step": step}}
        scores.write_scores(path, blocks, metadata)
        files_hashed = {f"scores/{path.name}": files.file_digest(path)}
        workdir.update_manifest(run.workdir, scored_on=parallel.describe_devices(), **files_hashed)
    return outputs


def check_options(config: Any) -> None:
    """Refuses batches that no device can hold, and replicates that cannot resolve the asked level."""
    _memory.check_scoring(config)
    if config.score.null != "none" and config.score.replicates:
        check_replicates(config.score.replicates, config.score.level)


def check(run: _parts.Run) -> None:
    """Refuses a null that the clips cannot support, before anything is computed."""
    _nulls.draws(run.config, loader.open_source(_parts.builder(run), run.config.score.split))


def score_set(run: _parts.Run, source: loader.Source) -> str:
    """The name of the score set: a hash of everything the scores depend on."""
    elsewhere = _external.fingerprint(run.config)
    return files.digest([run.config.score.to_dict(), _checkpoint_id(run), source.fingerprint, *elsewhere])


def plan(run: _parts.Run, source: loader.Source, weights: dict[str, Any], elsewhere: Any = None) -> Plan:
    """Lays out all comparisons from shapes alone."""
    config, front = run.config, _parts.frontend(run.config)
    features = _external.features(config, source)
    metrics = _parts.metrics(config)
    shape = _parts.image_shape(front, source.clip_samples)
    setting = _comparisons.setting(config, front, source.clip_samples, metrics)
    families, left_out = [], []

    def add(family):
        tile_bytes = int(config.score.memory_gib * 2**30 / 4)
        tested = _nulls.tested(config)
        comparisons = [
            _comparisons.compare(p, metrics, config.score.part, tile_bytes, tested) for p in family.problems
        ]
        families.append((family, tuple(_comparisons.share_programs(comparisons))))

    if weights:
        classes = len(source.class_names)
        made, out = problems.plan(_networks.layers(run, classes, shape), features, setting)
        left_out += out
        variables = capture.stack(list(weights.values()))
        add(capture.Family(tuple(weights), _networks.apply(run, classes), variables, tuple(made)))
    if elsewhere is not None:
        family, out = _external.family(elsewhere, features, setting)
        left_out += out
        add(family)
    if "input" in options.comma_list(config.score.networks):
        bands, image = capture.input_layers(shape)
        series = frozenset(w for w in setting.wants if w[0] != "map")
        made = problems.plan([bands], features, dataclasses.replace(setting, wants=series))[0]
        made += problems.plan([image], features, dataclasses.replace(setting, wants=setting.wants - series))[
            0
        ]
        nothing = {"none": np.zeros((1, 1), np.float32)}
        add(capture.Family(("input",), capture.input_outputs, nothing, tuple(made)))
    return Plan(tuple(families), features, tuple(left_out))


def _results(
    run: _parts.Run, made: Plan, source: loader.Source, observe: Any, weights: Any, draws: Any, read: Any
) -> Iterator[Any]:
    batches = loader.batches(
        source,
        batch_size=run.config.score.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    recordings = np.unique(source.recording_ids, return_inverse=True)[1]
    return _score_pass.run_pass(
        made.families,
        observe,
        weights,
        _external.with_given(batches, read),
        clips=len(source),
        folder=run.workdir / "scores" / f".observations-{parallel.process_index()}",
        folds_of_clip=recordings % FOLDS,
        clip_ids=source.clip_ids,
        null=_nulls.make(draws, run.config.score.part, run.config.score.memory_gib),
    )


def _blocks(
    run: _parts.Run, network: str, comparison: Any, metric: str, found: Any
) -> Iterator[dict[str, Any]]:
    """One table block for each feature of a comparison."""
    problem = comparison.problem
    [options] = [given for name, given in lookup.parse_specs(run.config.score.metrics) if name == metric]
    whole = np.shape(found["score"])[1] != sum(f.rows for f in problem.features) or problem.view == "map"
    start = 0
    for column, feature in enumerate(problem.features):
        span = slice(column, column + 1) if whole else slice(start, start + feature.rows)
        start += feature.rows
        outputs = {k: np.asarray(v)[:, span] for k, v in found.items() if np.ndim(v) == 2}
        yield scores.score_block(
            outputs,
            n_observations=outputs.pop("n_observations"),
            whole_feature=whole,
            network=network,
            layer=problem.layer.name,
            depth=problem.layer.depth,
            feature=feature.name,
            view=problem.view,
            part="between" if problem.view == "clip" else run.config.score.part,
            metric=metric,
            options=json.dumps(options, sort_keys=True),
        )


def _checkpoint_id(run: _parts.Run) -> str:
    if "trained" not in _external.networks(run.config):
        return "none"
    record = files.read_json(run.workdir / "train.json")
    if record is None:
        raise FileNotFoundError(f"{run.workdir} holds no trained network: run --stage=train (or all) first")
    return record["weights"]
