"""One self-contained HTML page: what was found, pictures, tables, what the controls mean, the config."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.report import findings
from actjax.report._page_text import CAUTION, CONTROLS, FEWER, READ, STYLE
from actjax.report.material import Material, quality
from actjax.report.summary import INPUT, UNTRAINED, Summary
from actjax.report.tables import (
    Table,
    confusion_table,
    feature_table,
    layer_table,
    skipped_table,
    undefined_table,
)
from actjax.report.verdicts import sort_features

_NAMES = {UNTRAINED: "the untrained network", INPUT: "the input"}


class Picture(NamedTuple):
    """A picture of the page: `kind` is forest, heat, depth, maps, confusion or training."""

    kind: str
    path: Path
    score_set: int | None = None


def render(
    summary: Summary,
    material: Material,
    pictures: Sequence[Picture],
    metadata: Mapping[str, Any],
    front_html: str = "",
) -> str:
    """The page as HTML text; the pictures are embedded, nothing is loaded from elsewhere.

    `front_html` (see `front`) stands before everything but the summary cards.
    """
    leading = summary.leading()
    parts = [
        "<h1>Which feature does each neuron listen to?</h1>",
        f'<p class="lead">{_lead(summary, material)}</p>',
        _cards(summary, material),
        front_html,
        _section(
            "In short", f"<p>{CAUTION}{_fewer(summary)}</p>" + "".join(_in_short(summary, s) for s in leading)
        ),
        _section("How to read", f"<p>{READ}</p><ul>{CONTROLS}</ul>"),
        *(_view(summary, s, pictures) for s in leading),
        _pictures("Maps beside features", pictures, "maps"),
        _others(summary, pictures),
        _network(material, pictures),
        _section("Files and settings", _files(summary, material, metadata)),
    ]
    return document(parts)


def document(parts: Sequence[str]) -> str:
    """A whole HTML page of these parts; empty ones are left out."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>actjax report</title><style>{STYLE}</style>"
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'
    )


def front(found: Mapping[str, Any] | None, calibration: Table | None, pictures: Sequence[Picture]) -> str:
    """The sections of the findings and of the nulls' calibration, as far as the workdir holds them."""
    body = ""
    if found:
        drawn = "".join(_image(p) for p in pictures if p.kind == "forest")
        body += _section("The four findings", findings.section(found, drawn))
    if calibration:
        body += _section(calibration.title, f'<p class="note">{calibration.note}</p>{calibration.html()}')
    return body


def _lead(summary: Summary, material: Material) -> str:
    networks = ", ".join(summary.networks)
    text = f"{summary.rows:,} scores of {len(summary.sets)} kinds; networks: {networks}."
    if summary.controls:
        text += f" {summary.controls:,} rows of further controls are in the score table only."
    return html.escape(text)


def _cards(summary: Summary, material: Material) -> str:
    network = summary.networks.index(summary.main)
    units = f"{_count(summary, network):,}"
    cards = [
        (units, f"units in {len(summary.layers_of(network))} layers"),
        (str(len(summary.features)), "features"),
    ]
    if material.evaluation is not None:
        value, name, clips = quality(material.evaluation)
        cards.insert(0, (f"{value:.1%}", f"{name} on {clips}"))
    cards.append((str(len(material.skipped)), "files left out"))
    inside = "".join(f'<div class="card"><b>{b}</b><span>{html.escape(s)}</span></div>' for b, s in cards)
    return f'<div class="cards">{inside}</div>'


def _count(summary: Summary, network: int) -> int:
    """How many different units of a network are scored."""
    u, mine = summary.units, summary.units.network == network
    return len(np.unique(u.layer[mine].astype(np.int64) << 32 | u.neuron[mine]))


def _fewer(summary: Summary) -> str:
    """The warning that the input has fewer units to choose the best from, where that is so."""
    bands = summary.network(INPUT)
    if bands is None or summary.main == INPUT:
        return ""
    few, many = _count(summary, bands), _count(summary, summary.networks.index(summary.main))
    return FEWER.format(few=few, many=many) if few < many else ""


def _in_short(summary: Summary, score_set: int) -> str:
    found, main = sort_features(summary, score_set), html.escape(summary.main)
    lines = [f"<h3>{_title(summary, score_set)}</h3>"]
    controls = [n for n in (UNTRAINED, INPUT) if n != summary.main and summary.scored(score_set, n)]
    if not controls:
        return lines[0] + "<p>No control was scored, so these scores prove nothing about training.</p>"
    sentences = {
        "gain": f"The {main} network comes closer than {' and '.join(_NAMES[n] for n in controls)} to",
        UNTRAINED: "The untrained network is as close or closer, so training shows nothing here, for",
        INPUT: "The input itself is as close or closer, so no network is needed, for",
    }
    for name, words in sentences.items():
        if name != "gain" and name not in controls:
            lines.append(f"<p>The control “{name}” was not scored here.</p>")
            continue
        items = "".join(f"<li>{html.escape(item)}</li>" for item in found[name])
        chips = f'<ul class="chips {"yes" if name == "gain" else "no"}">{items}</ul>' if items else ""
        lines.append(f"<p>{words}{':' if items else ' no feature.'}</p>{chips}")
    return "".join(lines)


def _view(summary: Summary, score_set: int, pictures: Sequence[Picture]) -> str:
    body = "".join(_image(p) for p in pictures if p.score_set == score_set)
    for table in (feature_table(summary, score_set), layer_table(summary, score_set)):
        body += (
            f'<h3>{html.escape(table.title)}</h3><p class="note">{html.escape(table.note)}</p>{table.html()}'
        )
    return _section(_title(summary, score_set), body)


def _others(summary: Summary, pictures: Sequence[Picture]) -> str:
    rest = [s for s in range(len(summary.sets)) if s not in summary.leading()]
    body = ""
    for s in rest:
        inside = "".join(_image(p) for p in pictures if p.score_set == s) + feature_table(summary, s).html()
        body += f"<details><summary>{_title(summary, s)}</summary>{inside}</details>"
    return _section("Other metrics", body) if rest else ""


def _network(material: Material, pictures: Sequence[Picture]) -> str:
    body = "".join(_image(p) for p in pictures if p.kind in ("training", "confusion"))
    if material.evaluation is not None:
        table = confusion_table(material)
        body += (
            f"<details><summary>As a table</summary><p>{html.escape(table.note)}</p>{table.html()}</details>"
        )
    return _section("The network", body) if body else ""


def _files(summary: Summary, material: Material, metadata: Mapping[str, Any]) -> str:
    skipped, undefined = skipped_table(material), undefined_table(summary)
    body = f"<h3>{skipped.title}</h3><p>{html.escape(skipped.note)}</p>"
    body += skipped.html() if skipped.rows else ""
    if undefined.rows:
        title = f"{undefined.title} ({len(undefined.rows)} places)"
        body += f"<details><summary>{title}</summary><p>{undefined.note}</p>{undefined.html()}</details>"
    for title, value in (("Config", material.config), ("Score sets", metadata)):
        if value:
            text = html.escape(json.dumps(value, indent=2, sort_keys=True, default=str))
            body += f"<details><summary>{title}</summary><pre>{text}</pre></details>"
    return body


def _pictures(title: str, pictures: Sequence[Picture], kind: str) -> str:
    body = "".join(_image(p) for p in pictures if p.kind == kind)
    return _section(title, body) if body else ""


def _image(picture: Picture) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    alt = html.escape(picture.path.stem.replace("_", " "))
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'


def _title(summary: Summary, score_set: int) -> str:
    title = summary.sets[score_set].title
    return html.escape(title[0].upper() + title[1:])


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"
