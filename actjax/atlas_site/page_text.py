"""The page as a file and its words."""

import datetime
import html
from pathlib import Path

from actjax import files, lookup, runs
from actjax.data import loader
from actjax.report.first_screen import data_named
from actjax.report.neuron_table import NOTE
from actjax.report.summary import Summary
from actjax.workdir import evaluation_record

_ABOUT = (
    "A neuron is a channel of a convolution layer, of which an activation map shows the output on a clip, or "
    "one unit of an embedding. Its clips are ordered by its mean activation; maps of one neuron share one "
    "scale, so that their brightness may be compared, and neurons do not share it. Sounds have the level of "
    "the recording.",
    "A score is the similarity of a neuron and a row of a feature. The null says what it would be if the two "
    "had nothing to do with each other: recordings are permuted within their class, so that a null may lie "
    "far from 0 where classes differ in both. The strongest unit of the untrained network and of the input "
    "are scored alike and chosen alike; a gain is the score's size less that of the stronger of these. "
    "Beyond controls: the 95 % interval of the gain lies above 0, for this one neuron; * where it holds for "
    "all scores together.",
    "A correlation of 0.5 says that a straight line through the feature explains a quarter (0.5 squared) of "
    "the activation's variance: of a hundred frames in which the feature lies above its median, the "
    "activation does in about 67, where 50 would be chance.",
)


def page(folder: Path, title: str) -> str:
    """The page of its three files, which a browser opens without a server."""
    text = {name: files.read_text(folder / f"atlas.{name}") for name in ("html", "css", "js")}
    whole = text["html"].replace("@STYLE@", text["css"]).replace("@TITLE@", html.escape(title))
    return whole.replace("@SCRIPT@", text["js"])


def words() -> dict[str, object]:
    """The sentences of the page."""
    return {"table": " ".join(NOTE.split()), "about": list(_ABOUT)}


def heard_of(run: runs.Run) -> str:
    """What the atlas is of: the network's name, or the file of activations made elsewhere."""
    path = run.setup.scored.activations
    return run.config.model.name if path is None else Path(path).name


def sounds_of(run: runs.Run) -> str:
    """What the clips are of: the data set's name, or that of the folder or list of a user's sounds."""
    [(name, options)] = lookup.parse_specs(run.config.data.name)
    where = options.get("manifest") or options.get("path")
    return Path(where).name if name == "audio_folder" and where else run.config.data.name


def facts(run: runs.Run, summary: Summary, source: loader.Source, today: datetime.date) -> dict[str, str]:
    """What was run: data, network, how well it does, when."""
    config, recordings = run.config, len(set(source.recording_ids))
    known = {
        "data": data_named(config.data.name, config.data.config),
        "clips": f"{len(source):,} of the {run.setup.scored.split} split, {recordings:,} recordings",
        "network" if run.setup.scored.activations is None else "activations": heard_of(run),
        "networks scored": ", ".join(summary.networks),
        "made": f"{today:%-d %B %Y}",
    }
    evaluation = evaluation_record.read(run.workdir)
    if evaluation is not None:
        value, name, clips = evaluation.quality()
        known[name] = f"{value:.1%} on {clips}"
    return known
