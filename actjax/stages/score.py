"""Scores every neuron of every network against every feature, in one pass over the clips."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, lookup, memory, options, parallel, workdir
from actjax import run as runs
from actjax.activations import capture
from actjax.activations.comparisons import LeftOut
from actjax.activations.comparisons import plan as plan_comparisons
from actjax.artefacts import examples, left_out
from actjax.data import loader
from actjax.scores import files as scores_files
from actjax.scoring import columns, from_elsewhere, nulls, one_pass, pictures, tasks
from actjax.scoring import networks as scoring_networks
from actjax.similarity.api import make_metric
from actjax.statistics.requirements import check_replicates


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything a score run will do.

    Attributes:
      families: networks and their comparisons.
      features: the features, in order.
      left_out: comparisons that cannot be made, and why.
    """

    families: tuple[tuple[capture.Family, tuple[tasks.Comparison, ...]], ...]
    features: tuple[Any, ...]
    left_out: tuple[LeftOut, ...]


def stage(run: runs.Run) -> list[Path]:
    """Scores the run's networks; a score set made before with the same options is kept."""
    workdir.claim(run.workdir, "score", run.config.to_dict())
    builder = runs.builder(run)
    elsewhere = from_elsewhere.activations(run.config)
    source = from_elsewhere.in_file_order(loader.open_source(builder, run.config.score.split), elsewhere)
    path = run.workdir / "scores" / f"{score_set(run, source)}.parquet"
    outputs = [path, examples.path_of(path), left_out.path_of(path)]
    if path.exists() and _is_as_written(run, path):
        print(f"score: done before, {path}")
        return outputs
    absent = loader.absent_classes({run.config.score.split: source})
    if absent and parallel.process_index() == 0:
        print(f"score: no clip of class {absent}")
    draws = nulls.draws(run.config, source)
    networks = from_elsewhere.networks(run.config)
    train_split = loader.open_source(builder, "train") if "untrained" in networks else source
    own = [name for name in networks if name not in ("input", from_elsewhere.NETWORK)]
    weights = {name: scoring_networks.variables(run, name, train_split) for name in own}
    features = from_elsewhere.features(run.config, source)
    made = plan(run, source.clip_samples, len(source.class_names), features, weights, elsewhere, len(source))
    observe = capture.make_observe([f for f, _ in made.families], made.features, runs.frontend(run.config))
    replicated = [parallel.replicate(family.variables) for family, _ in made.families]
    read = from_elsewhere.reader(elsewhere, [f for f, _ in made.families], made.features, source)
    found = list(_results(run, made, source, observe, replicated, draws, read))
    nulls.correct(found)
    found = list(columns.complete(found, source.recording_ids, runs.metrics(run.config)))
    pictures.write(outputs[1], observe, replicated, made.families, found, source, run.config, read)
    if parallel.process_index() == 0:
        blocks = (block for result in found for block in _blocks(run, *result))
        config, checkpoint = run.config.to_dict(), _checkpoint_id(run)
        step = (workdir.read_trained(run.workdir) or {}).get("best_step")
        metadata = {"config": config, "checkpoint": {"hash": checkpoint, "step": step}}
        metadata |= {"clips": len(source), "recordings": len(set(source.recording_ids))}
        left_out.write(outputs[2], made.left_out)
        if made.left_out:
            print(f"score: {len(made.left_out)} comparisons left out; the report says which and why")
        scores_files.write_scores(path, blocks, metadata)
        files_hashed = {f"scores/{path.name}": files.file_digest(path)}
        workdir.update_manifest(run.workdir, scored_on=parallel.describe_devices(), **files_hashed)
    return outputs


def _is_as_written(run: runs.Run, path: Path) -> bool:
    """Whether a table's hash is the one that the manifest keeps of it; says if it is not."""
    recorded = workdir.read_manifest(run.workdir).get(f"scores/{path.name}")
    whole = recorded is None or recorded == files.file_digest(path)
    if not whole and parallel.process_index() == 0:
        print(f"score: {path} is damaged, its hash is not the one in manifest.json; scored again")
    return whole


def check_options(config: Any) -> None:
    """Refuses batches that no device can hold, and replicates that cannot resolve the asked level."""
    memory.check_scoring(config)
    if config.score.null != "none" and config.score.replicates:
        check_replicates(config.score.replicates, config.score.level)


def check(run: runs.Run) -> None:
    """Refuses a null that the clips cannot support, before anything is computed."""
    nulls.draws(run.config, loader.open_source(runs.builder(run), run.config.score.split))


def score_set(run: runs.Run, source: loader.Source) -> str:
    """The name of the score set: a hash of everything the scores depend on."""
    elsewhere = from_elsewhere.fingerprint(run.config)
    made_from = [run.config.score.to_dict(), _checkpoint_id(run), source.fingerprint, *elsewhere]
    return files.digest([scores_files.VERSION, *made_from])


def plan(
    run: runs.Run,
    clip_samples: int,
    classes: int,
    features: Sequence[Any],
    weights: Mapping[str, Any],
    elsewhere: Any = None,
    clips: int = 1,
) -> Plan:
    """Lays out all comparisons from shapes alone.

    Args:
      run: the run.
      clip_samples, classes: of the data set.
      features: the run's.
      weights: network -> its variables; None for each where nothing is to be computed.
      elsewhere: activations made elsewhere, or None.
      clips: how many there are; a metric that does not take so many observations is refused.
    """
    config, front = run.config, runs.frontend(run.config)
    metrics = runs.metrics(config)
    shape = runs.image_shape(front, clip_samples)
    setting = tasks.setting(config, front, clip_samples, metrics)
    families, reasons = [], []

    def add(family):
        tile_bytes = int(config.score.memory_gib * 2**30 / 4)
        tested = nulls.tested(config)
        comparisons = [
            tasks.compare(p, metrics, config.score.part, tile_bytes, tested, clips) for p in family.problems
        ]
        families.append((family, tuple(tasks.share_programs(comparisons))))

    if weights:
        made, out = plan_comparisons(scoring_networks.layers(run, classes, shape), features, setting)
        reasons += out
        variables = capture.stack(list(weights.values()))
        add(capture.Family(tuple(weights), scoring_networks.apply(run, classes), variables, tuple(made)))
    if elsewhere is not None:
        family, out = from_elsewhere.family(elsewhere, features, setting)
        reasons += out
        add(family)
    if "input" in options.comma_list(config.score.networks):
        bands, image = capture.input_layers(shape)
        series = frozenset(w for w in setting.wants if w[0] != "map")
        made = plan_comparisons([bands], features, dataclasses.replace(setting, wants=series))[0]
        made += plan_comparisons(
            [image], features, dataclasses.replace(setting, wants=setting.wants - series)
        )[0]
        nothing = {"none": np.zeros((1, 1), np.float32)}
        add(capture.Family(("input",), capture.input_outputs, nothing, tuple(made)))
    return Plan(tuple(families), tuple(features), tuple(reasons))


def _results(
    run: runs.Run, made: Plan, source: loader.Source, observe: Any, weights: Any, draws: Any, read: Any
) -> Iterator[Any]:
    batches = loader.batches(
        source,
        batch_size=run.config.score.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    recordings = np.unique(source.recording_ids, return_inverse=True)[1]
    return one_pass.run_pass(
        made.families,
        observe,
        weights,
        from_elsewhere.with_given(batches, read),
        clips=len(source),
        folder=run.workdir / "scores" / f".observations-{files.RUN}-{parallel.process_index()}",
        folds_of_clip=recordings,
        clip_ids=source.clip_ids,
        null=nulls.make(draws, source.recording_ids, run.config.score.part, run.config.score.memory_gib),
    )


def _blocks(
    run: runs.Run, network: str, comparison: Any, metric: str, found: Any
) -> Iterator[dict[str, Any]]:
    """One table block for each feature of a comparison."""
    problem = comparison.problem
    [options] = [given for name, given in lookup.parse_specs(run.config.score.metrics) if name == metric]
    places = tasks.columns(problem, make_metric(metric, **options))
    for feature in problem.features:
        own = [i for i, (name, _) in enumerate(places) if name == feature.name]
        span, whole = slice(own[0], own[-1] + 1), places[own[0]][1] < 0
        outputs = {k: np.asarray(v)[:, span] for k, v in found.items() if np.ndim(v) == 2}
        yield scores_files.score_block(
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


def _checkpoint_id(run: runs.Run) -> str:
    if "trained" not in from_elsewhere.networks(run.config):
        return "none"
    record = workdir.read_trained(run.workdir)
    if record is None:
        raise FileNotFoundError(f"{run.workdir} holds no trained network: run --stage=train (or all) first")
    return record["weights"]
