"""Writes the atlas's page and data from scores, mean activations and what was pictured of clips."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax import files
from actjax.atlas_site import chosen, described, page_text
from actjax.atlas_site.coded import coded, rounded, write_script
from actjax.atlas_site.shown import Pictured
from actjax.report import neuron_table
from actjax.report.neurons import Best
from actjax.report.score_rows import rows_of
from actjax.report.summary import Summary
from actjax.report.workdir_files import selectivity
from actjax.workdir import ablation
from actjax.workdir.ablation import Ablation
from actjax.workdir.clip_activations import ClipActivations

if TYPE_CHECKING:
    import pyarrow

PAGE = Path(__file__).parent / "page"


class RunInfo(NamedTuple):
    """What the page says of the run.

    Attributes:
      title: of the page.
      clip_seconds: the length of every clip.
      facts: lines of the page's last table.
      layers: by number: name, depth, neurons, and the span of a clip that its maps cover, as shares of it.
    """

    title: str
    clip_seconds: float
    facts: Mapping[str, str]
    layers: Sequence[Mapping[str, Any]]


class Scored(NamedTuple):
    """The scores: their table, its summary, and the row that each neuron stands with."""

    table: "pyarrow.Table"
    summary: Summary
    best: Best


def empty_folder(folder: Path) -> Path:
    """The folder without what an earlier atlas left."""
    if folder.exists():
        shutil.rmtree(folder)
    for name in ("clips", "maps", "data"):
        (folder / name).mkdir(parents=True)
    return folder


def write_site(
    folder: Path,
    scored: Scored,
    activations: ClipActivations,
    pool: np.ndarray,
    pictured: Pictured,
    run_info: RunInfo,
    cut: Ablation | None = None,
) -> Path:
    """Writes index.html and data/; sounds and pictures are there already.

    Args:
      folder: of the atlas.
      scored: the scores.
      activations: mean ones of the trained and the untrained network.
      pool: the clips that have sounds and pictures.
      pictured: what is shown of each neuron on them.
      run_info: what the page says of the run.
      cut: what the network loses without each neuron, if that is known.

    Returns:
      The page.
    """
    index = _index(scored, activations, pool, run_info, cut)
    index["feature_means"] = {key: coded(values) for key, values in pictured.feature_means.items()}
    write_script(folder / "data" / "index.js", "index", index)
    number = {layer["name"]: i for i, layer in enumerate(run_info.layers)}
    rows = rows_of(scored.table, scored.summary)
    details = {
        "profile": described.profiles(scored.table, scored.summary, rows),
        "metrics": described.agreement(scored.table, scored.summary, scored.best),
    }
    means = activations.means[scored.summary.main]
    alike = chosen.nearest(means)
    for layer, means_bn in means.items():
        clips_nr = chosen.clips_of(means_bn, pool)
        # -1 for a layer without a score, of which the details know nothing.
        code = dict(zip(scored.summary.layers, range(len(scored.summary.layers)), strict=True)).get(layer, -1)
        lines = []
        for n in range(means_bn.shape[1]):
            line: dict[str, Any] = {name: of_kind.get((code, n), []) for name, of_kind in details.items()}
            line |= _activity(means_bn[:, n], clips_nr[n])
            line["nearest"] = [[number[name], m, rounded(r)] for name, m, r in alike[layer][n]]
            line |= pictured.neurons.get((layer, n), {})
            line |= {} if cut is None else ablation.of_neuron(cut, scored.summary.main, layer, n)
            lines.append(line)
        write_script(folder / "data" / f"layer{number[layer]}.js", f"layer{number[layer]}", lines)
    return files.write_text(folder / "index.html", page_text.page(PAGE, run_info.title))


def _activity(means_b: np.ndarray, clips_r: np.ndarray) -> dict[str, Any]:
    """A neuron's clips, and its mean activation on each."""
    return {
        "clips": clips_r.tolist(),
        "roles": [name for name, _ in chosen.ROLES],
        "activation": [rounded(v) for v in means_b[clips_r]],
        "means": coded(means_b),
    }


def _index(
    scored: Scored, activations: ClipActivations, pool: np.ndarray, run_info: RunInfo, cut: Ablation | None
) -> dict[str, Any]:
    """All that the page needs before a neuron is opened."""
    table, summary, best = scored
    number = {layer["name"]: i for i, layer in enumerate(run_info.layers)}
    member = chosen.membership(activations.labels, len(activations.class_names))
    main = summary.main
    ordered = {main: activations.means[main]} | dict(activations.means)
    class_best, preferred = described.classes(ordered, member, number)
    strongest = {layer: chosen.clips_of(m, pool)[:, 0] for layer, m in ordered[main].items()}
    columns = described.index_columns(best, summary, number, selectivity(activations))
    for name, by_layer in (("class", preferred), ("top", strongest)):
        values = neuron_table.of_neurons(best, by_layer, summary)
        columns[name] = np.nan_to_num(values, nan=-1).astype(int).tolist()
    if cut is not None and main in cut.networks:
        losses = {layer: of_layer.loss for layer, of_layer in cut.networks[main].items()}
        columns["loss"] = [rounded(v) for v in neuron_table.of_neurons(best, losses, summary)]
    return {
        "title": run_info.title,
        "clip_seconds": run_info.clip_seconds,
        "sets": [s.title for s in summary.sets],
        "layers": list(run_info.layers),
        "features": described.features(table, summary, rows_of(table, summary), number),
        "classes": list(activations.class_names),
        "class_best": class_best,
        "clips": _clips(activations, member, pool),
        "columns": columns,
        "words": page_text.words(),
        "run": dict(run_info.facts),
    }


def _clips(activations: ClipActivations, member: np.ndarray, pool: np.ndarray) -> list[dict[str, Any]]:
    there, out = set(pool.tolist()), []
    for b, clip in enumerate(activations.clip_ids):
        of_clip = np.flatnonzero(member[b]).tolist()
        label = ", ".join(activations.class_names[c] for c in of_clip)
        out.append({"id": clip, "label": label, "classes": of_clip, "sound": b in there})
    return out
