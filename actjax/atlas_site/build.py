"""Builds the atlas of a run: passes over the clips, then the folder of a page that opens from a file."""

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import code_version, files, runs
from actjax.atlas_site import activity, chosen, described, elsewhere, page_text, shown, site
from actjax.atlas_site.activity import Heard, Listened
from actjax.atlas_site.coded import rounded
from actjax.data import loader
from actjax.report.neurons import best_of_neurons
from actjax.report.summary import summarise
from actjax.scores.files import load_scores, tables_of
from actjax.scoring import from_elsewhere, networks
from actjax.types import Feature, Frontend, Layer
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
            from_elsewhere.fingerprint(run.setup.scored),
            source.fingerprint,
            made_pages.contents([*tables_of(run.workdir), *others]),
            code_version.of_rooms("atlas_site", "pages", "report"),
        ]
    )


def build(run: runs.Run) -> list[Path]:
    """Writes the atlas of a scored run, and the mean activations that it is made from.

    Raises:
      StageLeftOut: the neurons are not channels, or the input alone was scored.
      ScoresError: nothing was scored.
    """
    check(run)
    summary = summarise(table := load_scores(run.workdir))
    source = run.open_source(run.setup.scored.split)
    listened = listen(run, source, summary.main)
    # Sets scored before may hold layers that score.layers leaves out now.
    best = best_of_neurons(table, summary).of_layers(summary, [layer.name for layer in listened.layers])
    scored = site.Scored(table, summary, best)
    activations = mean_activations(run, listened, source)
    means = activations.means[summary.main]
    folder, pool = site.empty_folder(folder_of(run.workdir)), chosen.pool_of(list(means.values()))
    beside = described.resembled(summary)
    features = _features(run, source, {*scored.best.feature, *(one.feature for one in beside.values())})
    heard = listened.hear(features, source, pool)
    of_neurons = {layer: chosen.clips_of(means_bn, pool) for layer, means_bn in means.items()}
    asked = shown.wanted(listened, of_neurons, scored.best, summary, features, beside)
    pictured = shown.write_clips(folder, heard, asked)
    run_info = site.RunInfo(
        title=f"Atlas of {page_text.heard_of(run)} on {page_text.sounds_of(run)}",
        clip_seconds=source.clip_samples / source.sample_rate_hz,
        facts=page_text.facts(run, summary, source, datetime.date.today()),
        layers=[described_layer(layer, listened.front, source) for layer in listened.layers],
    )
    page = site.write_site(folder, scored, activations, pool, pictured, run_info, ablation.read(run.workdir))
    return [page, clip_activations.path_of(run.workdir)]


def _features(run: runs.Run, source: loader.Source, names: Collection[str]) -> list[Feature]:
    known = from_elsewhere.features(run.setup.features, run.setup.scored, source)
    return [feature for feature in known if feature.name in names]


def check(run: runs.Run) -> None:
    """Raises StageLeftOut where there are no channels that could be listened to."""
    scored = run.setup.scored
    if scored.neurons != "channel" or not (scored.run_networks or scored.activations):
        raise runs.StageLeftOut(
            "it plays what drives channels: score.neurons=channel, and a network or score.activations"
        )


def listen(run: runs.Run, source: loader.Source, main: str) -> Listened:
    """What the atlas listens to; `main` is the network whose maps are shown."""
    if run.setup.scored.activations is not None:
        return elsewhere.listen(run, source)
    return of_network(run, open_network(run, source), main)


def of_network(run: runs.Run, opened: Network, main: str) -> Listened:
    """A network of the run as what the atlas listens to."""
    network, layers, weights = opened
    front, record = network.frontend, train_record.read(run.workdir)

    def hear(features: Sequence[Feature], source: loader.Source, clips: np.ndarray) -> Iterator[Heard]:
        shown_weights, picture = weights[main], run.setup.analysis
        return activity.hear(network, layers, shown_weights, features, source, clips, picture)

    return Listened(
        layers=layers,
        front=front,
        seconds=network.image_shape_ft[1] * front.hop_samples / front.sample_rate_hz,
        made_from=[record and record.weights, sorted(weights)],
        clip_means=lambda source: activity.clip_means(network, layers, weights, source),
        hear=hear,
    )


def open_network(run: runs.Run, source: loader.Source) -> Network:
    """Opens the networks of a run that its scores are of, the trained one first."""
    network = networks.open_network(run, len(source.class_names))
    names = run.setup.scored.run_networks
    train = run.open_source("train") if UNTRAINED in names else source
    return Network(
        network, network.layers(), {name: networks.variables(network, name, train) for name in names}
    )


def mean_activations(run: runs.Run, listened: Listened, source: loader.Source) -> ClipActivations:
    """Reads the mean activations of an earlier atlas, if of the same weights and clips; else makes them."""
    names = [layer.name for layer in listened.layers]
    made_from = files.digest([listened.made_from, source.fingerprint, names])
    before = clip_activations.read(run.workdir)
    if before is not None and before.made_from == made_from:
        return before
    means = listened.clip_means(source)
    activations = ClipActivations(made_from, source.clip_ids, source.labels, list(source.class_names), means)
    clip_activations.write(run.workdir, activations)
    return activations


def described_layer(layer: Layer, front: Frontend, source: loader.Source) -> dict[str, Any]:
    """A layer, and the span of a clip that its maps cover, as shares of the clip."""
    centres = activity.times_s(layer, front)
    span = None
    if centres is not None:
        half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.0
        whole = source.clip_samples / source.sample_rate_hz
        ends = (max((centres[0] - half) / whole, 0.0), min((centres[-1] + half) / whole, 1.0))
        span = [rounded(end) for end in ends]
    return {"name": layer.name, "depth": rounded(layer.depth), "neurons": layer.neurons, "span": span}
