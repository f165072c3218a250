"""Builds the atlas of a run: passes over the clips, then the folder of a page that opens from a file."""

import datetime
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actjax import code_version, files, runs
from actjax.atlas import activity, chosen, described, page_text, shown, site
from actjax.atlas.coded import rounded
from actjax.data import loader
from actjax.report.neurons import best_of_neurons
from actjax.report.summary import summarise
from actjax.scores.files import load_scores, tables_of
from actjax.scoring import from_elsewhere, networks
from actjax.types import Feature, Layer
from actjax.workdir import ablation, clip_activations, evaluation_record, made_pages, train_record
from actjax.workdir.clip_activations import ClipActivations

UNTRAINED = "untrained"


class Network(NamedTuple):
    """The run's network for the atlas: what it is, its layers, and the weights of its versions by name."""

    network: networks.Network
    layers: tuple[Layer, ...]
    weights: Mapping[str, Any]


def folder_of(workdir: Path) -> Path:
    """The atlas's folder, beside the report's page."""
    return workdir / "report" / "atlas"


def made_from(run: runs.Run) -> str:
    """A hash of all that the atlas shows: the run's config, weights and clips, what was scored, and the code.

    Raises:
      StageLeftOut: as `build`.
    """
    check(run)
    source, record = run.open_source(run.setup.scored.split), train_record.read(run.workdir)
    others = (ablation.path_of(run.workdir), evaluation_record.path_of(run.workdir))
    return files.digest(
        [
            run.config.to_dict(),
            record and record.weights,
            source.fingerprint,
            made_pages.contents([*tables_of(run.workdir), *others]),
            code_version.of_rooms("atlas", "pages", "report"),
        ]
    )


def build(run: runs.Run) -> list[Path]:
    """Writes the atlas of a scored run, and the mean activations that it is made from.

    Raises:
      StageLeftOut: the neurons are not channels, or their activations come from a file.
      ScoresError: nothing was scored.
    """
    check(run)
    summary = summarise(table := load_scores(run.workdir))
    source = run.open_source(run.setup.scored.split)
    opened = open_network(run, source)
    # Sets scored before may hold layers that score.layers leaves out now.
    best = best_of_neurons(table, summary).of_layers(summary, [layer.name for layer in opened.layers])
    scored = site.Scored(table, summary, best)
    activations = mean_activations(run, opened, source)
    means = activations.means[summary.main]
    folder, pool = site.empty_folder(folder_of(run.workdir)), chosen.pool_of(list(means.values()))
    beside = described.resembled(summary)
    features = _features(run, source, {*scored.best.feature, *(one.feature for one in beside.values())})
    weights = opened.weights[summary.main]
    heard = activity.hear(opened.network, opened.layers, weights, features, source, pool, run.setup.analysis)
    of_neurons = {layer: chosen.clips_of(means_bn, pool) for layer, means_bn in means.items()}
    asked = shown.wanted(opened, of_neurons, scored.best, summary, features, beside)
    pictured = shown.write_clips(folder, heard, asked)
    run_info = site.RunInfo(
        title=f"Atlas of {run.config.model.name} on {run.config.data.name}",
        clip_seconds=source.clip_samples / source.sample_rate_hz,
        facts=page_text.facts(run, summary, source, datetime.date.today()),
        layers=[described_layer(layer, opened.network, source) for layer in opened.layers],
    )
    page = site.write_site(folder, scored, activations, pool, pictured, run_info, ablation.read(run.workdir))
    return [page, clip_activations.path_of(run.workdir)]


def _features(run: runs.Run, source: loader.Source, names: Collection[str]) -> list[Feature]:
    known = from_elsewhere.features(run.setup.features, run.setup.scored, source)
    return [feature for feature in known if feature.name in names]


def check(run: runs.Run) -> None:
    """Raises StageLeftOut where there is no network whose channels could be listened to."""
    if run.setup.scored.neurons != "channel" or not run.setup.scored.run_networks:
        raise runs.StageLeftOut(
            "it plays what drives the channels of a network: score.neurons=channel, and a network of the run"
        )


def open_network(run: runs.Run, source: loader.Source) -> Network:
    """Opens the networks of a run that its scores are of, the trained one first."""
    network = networks.open_network(run, len(source.class_names))
    names = run.setup.scored.run_networks
    train = run.open_source("train") if UNTRAINED in names else source
    return Network(
        network, network.layers(), {name: networks.variables(network, name, train) for name in names}
    )


def mean_activations(run: runs.Run, opened: Network, source: loader.Source) -> ClipActivations:
    """Reads the mean activations of an earlier atlas, if of the same weights and clips; else makes them."""
    record = train_record.read(run.workdir)
    names = [layer.name for layer in opened.layers]
    made_from = files.digest([record and record.weights, source.fingerprint, sorted(opened.weights), names])
    before = clip_activations.read(run.workdir)
    if before is not None and before.made_from == made_from:
        return before
    means = activity.clip_means(opened.network, opened.layers, opened.weights, source)
    activations = ClipActivations(made_from, source.clip_ids, source.labels, list(source.class_names), means)
    clip_activations.write(run.workdir, activations)
    return activations


def described_layer(layer: Layer, network: networks.Network, source: loader.Source) -> dict[str, Any]:
    """A layer, and the span of a clip that its maps cover, as shares of the clip."""
    centres = activity.times_s(layer, network.frontend)
    span = None
    if centres is not None:
        half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.0
        whole = source.clip_samples / source.sample_rate_hz
        ends = (max((centres[0] - half) / whole, 0.0), min((centres[-1] + half) / whole, 1.0))
        span = [rounded(end) for end in ends]
    return {"name": layer.name, "depth": rounded(layer.depth), "neurons": layer.neurons, "span": span}
