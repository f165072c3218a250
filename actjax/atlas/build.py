"""Builds the atlas of a run: passes over the clips, then the folder of a page that opens from a file."""

import datetime
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import files, runs
from actjax.atlas import activity, chosen, described, page_text, shown
from actjax.atlas.coded import coded, rounded, write_script
from actjax.data import loader
from actjax.report import neuron_table
from actjax.report.neurons import Best, best_of_neurons
from actjax.report.score_rows import rows_of
from actjax.report.summary import Summary, summarise
from actjax.report.workdir_files import selectivity
from actjax.scores.files import load_scores
from actjax.scoring import from_elsewhere, networks
from actjax.types import Layer
from actjax.workdir import ablation, clip_activations, train_record
from actjax.workdir.clip_activations import ClipActivations

FOLDER = "atlas"
PAGE = Path(__file__).parent / "page"
UNTRAINED = "untrained"


class Network(NamedTuple):
    """The run's network for the atlas: what it is, its layers and its weights."""

    network: networks.Network
    layers: tuple[Layer, ...]
    weights: Mapping[str, Any]


def folder_of(workdir: Path) -> Path:
    """The atlas's folder, beside the report's page."""
    return workdir / "report" / FOLDER


def build(run: runs.Run) -> list[Path]:
    """Writes the atlas of a scored run, and the mean activations that it is made from.

    Raises:
      StageLeftOut: the neurons are not channels, or their activations come from a file.
      ScoresError: nothing was scored.
    """
    scored = run.setup.scored
    if scored.neurons != "channel" or scored.activations is not None:
        raise runs.StageLeftOut(
            "it plays what drives a network's channels: score.neurons=channel, and a network"
        )
    table = load_scores(run.workdir)
    summary = summarise(table)
    best = best_of_neurons(table, summary)
    source = run.open_source(scored.split)
    own = open_network(run, source)
    kept = mean_activations(run, own, source)
    number = {layer.name: i for i, layer in enumerate(own.layers)}
    folder = _empty_folder(folder_of(run.workdir))
    means = kept.means[summary.main] if summary.main in kept.means else next(iter(kept.means.values()))
    pool = chosen.pool_of(list(means.values()))
    of_neurons = {layer: chosen.clips_of(means_bn, pool) for layer, means_bn in means.items()}
    features = [
        f for f in from_elsewhere.features(run.setup.features, scored, source) if f.name in best.feature
    ]
    heard = activity.hear(own.network, own.layers, own.weights[summary.main], features, source, pool)
    pictured = shown.write_clips(folder, heard, of_neurons, own, best, summary, features)
    index = _index(run, table, summary, best, kept, number, own, source, pool)
    index["feature_means"] = {key: coded(values) for key, values in pictured.feature_means.items()}
    write_script(folder / "data" / "index.js", "index", index)
    details = {
        "profile": described.profiles(table, summary, rows_of(table, summary)),
        "metrics": described.agreement(table, summary, best),
    }
    _write_layers(run, folder, summary, best, means, of_neurons, details, pictured, index, number)
    page = files.write_text(folder / "index.html", page_text.page(PAGE, index["title"]))
    return [page, clip_activations.path_of(run.workdir)]


def open_network(run: runs.Run, source: loader.Source) -> Network:
    """Opens the networks of a run that its scores are of.

    Raises:
      StageLeftOut: its scores are of none.
    """
    network = networks.open_network(run, len(source.class_names))
    names = list(run.setup.scored.own_networks)
    train = run.open_source("train") if UNTRAINED in names else source
    weights = {name: networks.variables(network, name, train) for name in names}
    if not weights:
        raise runs.StageLeftOut(
            "score.networks names none of the run's networks: there is nothing to listen to"
        )
    return Network(network, network.layers(), weights)


def mean_activations(run: runs.Run, own: Network, source: loader.Source) -> ClipActivations:
    """The mean activations of an earlier atlas, if of the same weights and clips; else anew."""
    record = train_record.read(run.workdir)
    names = [layer.name for layer in own.layers]
    made_from = files.digest([record and record.weights, source.fingerprint, sorted(own.weights), names])
    before = clip_activations.read(run.workdir)
    if before is not None and before.made_from == made_from:
        return before
    means = activity.clip_means(own.network, own.layers, own.weights, source)
    kept = ClipActivations(made_from, source.clip_ids, source.labels, list(source.class_names), means)
    clip_activations.write(run.workdir, kept)
    return kept


def _empty_folder(folder: Path) -> Path:
    """The folder without what an earlier atlas left."""
    if folder.exists():
        shutil.rmtree(folder)
    for name in ("clips", "maps", "data"):
        (folder / name).mkdir(parents=True)
    return folder


def _index(
    run: runs.Run,
    table: Any,
    summary: Summary,
    best: Best,
    kept: ClipActivations,
    number: Mapping[str, int],
    own: Network,
    source: loader.Source,
    pool: np.ndarray,
) -> dict[str, Any]:
    """All that the page needs before a neuron is opened."""
    member = chosen.membership(source.labels, len(source.class_names))
    ordered = {name: kept.means[name] for name in own.weights}
    class_best, preferred = described.classes(ordered, member, number)
    means = ordered[summary.main]
    columns = described.index_columns(best, summary, number, selectivity(kept))
    columns["class"] = neuron_table.of_neurons(best, preferred, summary).astype(int).tolist()
    strongest = {layer: chosen.clips_of(m, pool)[:, 0] for layer, m in means.items()}
    columns["top"] = neuron_table.of_neurons(best, strongest, summary).astype(int).tolist()
    cut = ablation.read(run.workdir)
    if cut is not None:
        by_layer = {layer: of_layer.loss for layer, of_layer in cut.networks[summary.main].items()}
        columns["loss"] = [rounded(v) for v in neuron_table.of_neurons(best, by_layer, summary)]
    options = run.config
    return {
        "title": f"Atlas of {options.model.name} on {options.data.name}",
        "clip_seconds": source.clip_samples / source.sample_rate_hz,
        "sets": [s.title for s in summary.sets],
        "layers": [_layer(layer, own.network, source) for layer in own.layers],
        "features": described.features(table, summary, rows_of(table, summary), number),
        "classes": list(source.class_names),
        "class_best": class_best,
        "clips": _clips(source, member, pool),
        "columns": columns,
        "words": page_text.words(summary, best),
        "run": page_text.facts(run, summary, source, datetime.date.today()),
    }


def _layer(layer: Layer, network: networks.Network, source: loader.Source) -> dict[str, Any]:
    """A layer and which span of a clip its maps cover, as shares of the clip."""
    centres = activity.times_s(layer, network)
    span = None
    if centres is not None:
        half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.0
        whole = source.clip_samples / source.sample_rate_hz
        span = [
            rounded(max((centres[0] - half) / whole, 0.0)),
            rounded(min((centres[-1] + half) / whole, 1.0)),
        ]
    return {"name": layer.name, "depth": rounded(layer.depth), "neurons": layer.neurons, "span": span}


def _clips(source: loader.Source, member: np.ndarray, pool: np.ndarray) -> list[dict[str, Any]]:
    there, out = set(pool.tolist()), []
    for b, clip in enumerate(source.clip_ids):
        of_clip = np.flatnonzero(member[b]).tolist()
        label = ", ".join(source.class_names[c] for c in of_clip)
        out.append({"id": clip, "label": label, "classes": of_clip, "sound": b in there})
    return out


def _write_layers(
    run: runs.Run,
    folder: Path,
    summary: Summary,
    best: Best,
    means: Mapping[str, np.ndarray],
    of_neurons: Mapping[str, np.ndarray],
    details: Mapping[str, Mapping[tuple[int, int], Any]],
    pictured: shown.Pictured,
    index: Mapping[str, Any],
    number: Mapping[str, int],
) -> None:
    """Writes data/layer<i>.js: everything of each neuron that its own page shows."""
    alike, cut = chosen.nearest(means), ablation.read(run.workdir)
    place = {(int(c), int(n)): i for i, (c, n) in enumerate(zip(best.layer, best.neuron, strict=True))}
    for layer, means_bn in means.items():
        code, lines = summary.layers.index(layer), []
        for n in range(means_bn.shape[1]):
            i = place.get((code, n), -1)
            line = {name: of_kind.get((code, n), []) for name, of_kind in details.items()}
            line |= {
                "clips": of_neurons[layer][n].tolist(),
                "roles": [name for name, _ in chosen.ROLES],
                "activation": [rounded(v) for v in means_bn[of_neurons[layer][n], n]],
                "means": coded(means_bn[:, n]),
                "class": index["columns"]["class"][i] if i >= 0 else -1,
                "nearest": [[number[name], m, rounded(r)] for name, m, r in alike[layer][n]],
            }
            line |= pictured.neurons.get((layer, n), {})
            line |= {} if cut is None else ablation.of_neuron(cut, summary.main, layer, n)
            lines.append(line)
        write_script(folder / "data" / f"layer{number[layer]}.js", f"layer{number[layer]}", lines)
