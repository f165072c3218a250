"""The first screen of a report: what was run, how well the network does, what its neurons do."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax import lookup
from actjax.pages.markup import Markup, folded, join, section, tag
from actjax.pages.numbers import number
from actjax.report import neuron_table
from actjax.report.neurons import Best
from actjax.report.summary import Summary
from actjax.report.workdir_files import ATLAS, Material
from actjax.statistics.bootstrap import t_quantile
from actjax.workdir.evaluation_record import Evaluation

# Fewer recordings than this get a warning.
FEW_RECORDINGS = 60
TITLE = "Which feature does each neuron follow?"


def first_screen(summary: Summary, material: Material, best: Best) -> Markup:
    """Title, what was run, cards, warning, the table of all neurons."""
    counts = neuron_table.count(best, material.changing, summary)
    table = neuron_table.neuron_table(best, summary, material.selectivity)
    atlas = ATLAS if material.atlas else ""
    how = folded("How to read this table", tag("p", table.note, class_="note"))
    body = [how, neuron_table.linked(table, atlas)]
    if len(best.neuron) > len(table.rows):
        words = f"The {len(table.rows):,} largest gains of {len(best.neuron):,}; all are in the atlas."
        body.insert(0, tag("p", words))
    if atlas:
        link = tag("a", "Open the atlas", href=atlas, class_="button")
        body.insert(0, tag("p", link, " to hear what drives each neuron, and to filter this table."))
    return join(
        tag("h1", TITLE),
        tag("p", *_ran(summary, material), class_="lead"),
        _cards(material, counts, len(summary.layers_of(summary.networks.index(summary.main)))),
        few_recordings(summary.recordings),
        section(table.title, *body, id="neurons"),
    )


def few_recordings(recordings: int | None) -> Markup:
    """A warning where there are few recordings: what a correlation reaches by chance."""
    if recordings is None or recordings >= FEW_RECORDINGS or recordings < 4:
        return join()
    t = t_quantile(0.975, recordings - 2)
    reached = t / np.sqrt(recordings - 2 + t**2)
    words = (
        f"Only {recordings} recordings were scored. Between so few, one correlation in twenty exceeds "
        f"{number(reached)} by chance, and the best of many neurons far more: score more recordings before "
        "you believe a row of this table."
    )
    return tag("p", words, class_="warning", role="note")


def balance(evaluation: Evaluation) -> str:
    """What a network that knows nothing would get, and how the clips fall on the classes."""
    clips = evaluation.confusion.sum(axis=1)
    classes = len(evaluation.class_names)
    if evaluation.shown_f1() or not clips.sum():
        return f"{classes} classes"
    low, high = int(clips.min()), int(clips.max())
    of_each = f"{low}" if low == high else f"{low} to {high}"
    plural = "" if high == 1 else "s"
    return f"chance {clips.max() / clips.sum():.1%}: {classes} classes of {of_each} clip{plural}"


def data_named(name: str, config: str) -> str:
    """The data set as an option names it, with its builder's config if it has such."""
    try:
        takes_config = "config" in lookup.options_of("dataset", lookup.parse_specs(name)[0][0])
    except (ValueError, IndexError):  # a set that is no longer here, or that nobody named
        takes_config = True
    return "/".join(filter(None, (name, config if takes_config else "")))


def _ran(summary: Summary, material: Material) -> list[str]:
    options: Mapping[str, Any] = material.config.get("latest", {})
    of_file = Path(str(options.get("score.activations") or "")).name
    data = data_named(str(options.get("data.name", "")), str(options.get("data.config", "")))
    what = " · ".join(filter(None, (data, of_file or str(options.get("model.name", "")))))
    pieces: list[str] = [f"{what} · "] if what else []
    recordings = "" if summary.recordings is None else f"{summary.recordings:,} recordings · "
    pieces.append(f"{recordings}{datetime.date.today():%-d %B %Y}")
    if material.command:
        pieces += [" · ", tag("code", material.command)]
    return pieces


def _cards(material: Material, counts: neuron_table.Counts, layers: int) -> Markup:
    cards = [(f"{counts.neurons:,}", f"neurons in {layers} layers: {counts.words()}")]
    if material.evaluation is not None:
        value, name, clips = material.evaluation.quality()
        cards.insert(0, (f"{value:.1%}", f"{name} on {clips}; {balance(material.evaluation)}"))
    if material.left_out:
        cards.append((str(len(material.left_out)), "comparisons left out"))
    if material.skipped:
        cards.append((str(len(material.skipped)), "files left out"))
    drawn = (tag("div", tag("b", b), tag("span", words), class_="card") for b, words in cards)
    return tag("div", *drawn, class_="cards")
