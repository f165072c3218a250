"""One self-contained HTML page: what was found, pictures, tables, what the controls mean, the config."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.pages.markup import Markup, document, folded, image, join, section, tag, trusted
from actjax.pages.table import Table
from actjax.report import findings
from actjax.report.first_screen import first_screen
from actjax.report.neurons import Best
from actjax.report.page_text import (
    CAUTION,
    CONTROLS,
    FEWER,
    HELD_OUT,
    NOT_HELD_OUT,
    PERMUTED,
    READ,
    REARRANGED,
    SEEN,
    STYLE,
)
from actjax.report.summary import INPUT, UNTRAINED, Summary
from actjax.report.tables import (
    confusion_table,
    costs_table,
    feature_table,
    layer_table,
    left_out_table,
    skipped_table,
    undefined_table,
)
from actjax.report.verdicts import GAIN, OPEN, sort_features, standard_errors_needed
from actjax.report.workdir_files import Material
from actjax.workdir.findings_table import FindingsTable

_NAMES = {UNTRAINED: "the untrained network", INPUT: "the input"}
_TITLE = "actjax report"
_MOST_SHOWN = 20  # rows of a table of files that stand open


class Picture(NamedTuple):
    """A picture of the page.

    Attributes:
      kind: forest, heat, depth, maps, confusion or training.
      path: its file.
      score_set: which it is of, if it is of one.
      seen: what it shows, in words.
    """

    kind: str
    path: Path
    score_set: int | None = None
    seen: str = ""


def render(
    summary: Summary,
    material: Material,
    pictures: Sequence[Picture],
    metadata: Mapping[str, Any],
    best: Best,
    front_html: Markup = trusted(""),  # noqa: B008 (an immutable str)
) -> Markup:
    """The page as HTML; the pictures are embedded, nothing is loaded from elsewhere.

    `front_html` (see `front`) stands after the first screen, which shows every neuron's row in `best`.
    """
    leading = summary.leading()
    return document(
        _TITLE,
        STYLE,
        first_screen(summary, material, best),
        front_html,
        section(
            "In short",
            tag("p", trusted(CAUTION), _fewer(summary)),
            *(_in_short(summary, s) for s in leading),
        ),
        section("How to read", tag("p", trusted(how_to_read(metadata))), tag("ul", trusted(CONTROLS))),
        *(_view(summary, s, pictures) for s in leading),
        _pictures("Maps beside features", pictures, "maps"),
        _others(summary, pictures),
        _network(material, pictures),
        _took(material),
        section("Files and settings", _files(summary, material, metadata)),
    )


def how_to_read(metadata: Mapping[str, Any]) -> str:
    """The page's explanation, with what the score sets' nulls rearrange and which clips they are of."""
    chosen: list[dict[str, Any]] = []
    for score_set in metadata.values():
        config = score_set.get("config")
        options = config.get("score") if isinstance(config, dict) else None
        chosen.append(options if isinstance(options, dict) else {})
    words = dict.fromkeys(REARRANGED.get(str(options.get("null")), PERMUTED) for options in chosen)
    seen = any(options.get("split") in SEEN for options in chosen)
    clips = NOT_HELD_OUT if seen else HELD_OUT
    return READ.format(rearranged=" or ".join(words) or PERMUTED, clips=clips)


def sweep_page(table: FindingsTable | None, pictures: Sequence[Picture], tests: Markup) -> Markup:
    """The page of a sweep: the findings over its seeds, and which features its networks follow."""
    title = "What does training add?" if table else "What do the networks have in common?"
    return document(_TITLE, STYLE, tag("h1", title), front(table, None, pictures), tests)


def front(table: FindingsTable | None, calibration: Table | None, pictures: Sequence[Picture]) -> Markup:
    """The sections of the findings and of the nulls' calibration, as far as the workdir holds them."""
    body = []
    if table:
        drawn = join(*(image(p.path, p.seen) for p in pictures if p.kind == "forest"))
        body.append(section("The findings", findings.section(table, drawn)))
    if calibration:
        note = tag("p", calibration.note, class_="note")
        body.append(section(calibration.title, note, calibration.html()))
    return join(*body)


def _count(summary: Summary, network: int) -> int:
    """How many different units of a network are scored."""
    u, of_network = summary.units, summary.units.network == network
    return len(np.unique(u.layer[of_network].astype(np.int64) << 32 | u.neuron[of_network]))


def _fewer(summary: Summary) -> str:
    """The warning that the input has fewer units to choose the best from, where that is so."""
    bands = summary.network(INPUT)
    if bands is None or summary.main == INPUT:
        return ""
    few, many = _count(summary, bands), _count(summary, summary.networks.index(summary.main))
    return FEWER.format(few=few, many=many) if few < many else ""


def _in_short(summary: Summary, score_set: int) -> Markup:
    by_verdict, main = sort_features(summary, score_set), summary.main
    body = [tag("h3", _title(summary, score_set))]
    controls = [n for n in (UNTRAINED, INPUT) if n != main and summary.scored(score_set, n)]
    if not controls:
        return join(*body, tag("p", "No control was scored, so these scores prove nothing about training."))
    needed = standard_errors_needed(summary, score_set)
    known = (
        f"here {needed:.1f}, over {summary.recordings} recordings"
        if np.isfinite(needed)
        else ("here not known, so nothing is announced: --stage=score makes the scores again")
    )
    body.append(tag("p", f"Standard errors that a gain must exceed: {known}.", class_="note"))
    sentences = {
        GAIN: f"The {main} network comes closer than {' and '.join(_NAMES[n] for n in controls)} to",
        UNTRAINED: "The untrained network is as close, within the error, or closer, so training shows "
        "nothing here, for",
        INPUT: "The input itself is as close, within the error, or closer, so no network is needed, for",
        OPEN: f"Higher in the {main} network, which proves nothing by the rule below, for",
    }
    for name, words in sentences.items():
        if name in _NAMES and name not in controls:
            body.append(tag("p", f"The control “{name}” was not scored here."))
            continue
        if name == OPEN and not by_verdict[name]:
            continue
        body.append(tag("p", words + (":" if by_verdict[name] else " no feature.")))
        if by_verdict[name]:
            chips = (tag("li", item) for item in by_verdict[name])
            body.append(tag("ul", *chips, class_=f"chips {'yes' if name == GAIN else 'no'}"))
    return join(*body)


def _view(summary: Summary, score_set: int, pictures: Sequence[Picture]) -> Markup:
    body = [image(p.path, p.seen) for p in pictures if p.score_set == score_set]
    for table in (feature_table(summary, score_set), layer_table(summary, score_set)):
        body += [tag("h3", table.title), tag("p", table.note, class_="note"), table.html()]
    return section(_title(summary, score_set), *body)


def _others(summary: Summary, pictures: Sequence[Picture]) -> Markup:
    others = [s for s in range(len(summary.sets)) if s not in summary.leading()]
    body = []
    for s in others:
        drawn = (image(p.path, p.seen) for p in pictures if p.score_set == s)
        body.append(folded(_title(summary, s), *drawn, feature_table(summary, s).html()))
    return section("Other metrics", *body) if others else join()


def _network(material: Material, pictures: Sequence[Picture]) -> Markup:
    body = [image(p.path, p.seen) for p in pictures if p.kind in ("training", "confusion")]
    if material.evaluation is not None:
        table = confusion_table(material.evaluation)
        body.append(folded("As a table", tag("p", table.note), table.html()))
    return section("The network", *body) if body else join()


def _took(material: Material) -> Markup:
    costs = costs_table(material)
    return section(costs.title, tag("p", costs.note, class_="note"), costs.html()) if costs.rows else join()


def _files(summary: Summary, material: Material, metadata: Mapping[str, Any]) -> Markup:
    body = []
    for table in (left_out_table(material), skipped_table(material)):
        body += [tag("h3", table.title), tag("p", table.note)]
        if len(table.rows) > _MOST_SHOWN:
            body.append(folded(f"All {len(table.rows)}", table.html()))
        elif table.rows:
            body.append(table.html())
    undefined = undefined_table(summary)
    if undefined.rows:
        title = f"{undefined.title} ({len(undefined.rows)} places)"
        body.append(folded(title, tag("p", undefined.note), undefined.html()))
    for title, value in (("Config", material.config), ("Score sets", metadata)):
        if value:
            body.append(folded(title, tag("pre", json.dumps(value, indent=2, sort_keys=True, default=str))))
    return join(*body)


def _pictures(title: str, pictures: Sequence[Picture], kind: str) -> Markup:
    drawn = [image(p.path, p.seen) for p in pictures if p.kind == kind]
    return section(title, *drawn) if drawn else join()


def _title(summary: Summary, score_set: int) -> str:
    title = summary.sets[score_set].title
    return title[0].upper() + title[1:]
