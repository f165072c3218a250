"""One self-contained HTML page: what was found, pictures, tables, what the controls mean, the config."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.report.material import Material
from actjax.report.summary import INPUT, TOLERANCE, TRAINED, UNTRAINED, Summary, verdict
from actjax.report.tables import confusion_table, feature_table, layer_table, skipped_table, undefined_table


class Picture(NamedTuple):
    """A picture of the page: `kind` is heat, depth, maps, confusion or training."""

    kind: str
    path: Path
    score_set: int | None = None


_READ = f"""A <em>unit</em> is a channel of a convolution layer or one unit of an embedding. A <em>score</em> is the
similarity of one unit to one row of a feature (or to the whole feature: row “all”), on clips that training never
saw. <b>Clip view</b>: both averaged over a clip, what differs between clips. <b>Frame view</b>: frame by frame
inside the clips. <b>Map view</b>: both as images of frequency and time. The sign of a score is direction only:
units that fall while the feature rises count like units that rise with it. Differences below {TOLERANCE} (or two
standard errors, where these are wider) are called “as close”."""
_CONTROLS = """<li><b>trained</b>: the network after training.</li>
<li><b>untrained</b>: the same architecture and seed before training, its batch-norm statistics recomputed on the
training clips. A similarity that it shows too comes from the architecture, not from learning.</li>
<li><b>input</b>: the spectrogram that the network is given, without any network. A similarity that it shows too
was there before the first layer.</li>"""
_CAUTION = """Every number named “best” is the largest of many (units × rows), so part of it is chance and selection:
read it beside the same number of the controls, which were selected in the same way."""
_STYLE = """
:root{--ink:#1b2733;--muted:#5f6b76;--line:#e3e7eb;--blue:#0072B2;--orange:#D55E00}
*{box-sizing:border-box}body{margin:0;background:#f6f7f9;color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 24px 72px}h1{font-size:30px;line-height:1.2;margin:0 0 6px}
h2{font-size:21px;margin:0 0 4px}h3{font-size:16px;margin:22px 0 6px}p{margin:6px 0 12px;max-width:78ch}
.lead{color:var(--muted);margin-bottom:22px}section{background:#fff;border:1px solid var(--line);border-radius:10px;
padding:22px 24px;margin:18px 0}.cards{display:flex;flex-wrap:wrap;gap:12px}.card{flex:1 1 130px;background:#fff;
border:1px solid var(--line);border-radius:10px;padding:12px 16px}.card b{display:block;font-size:25px;line-height:1.25}
.card span,.note,figcaption{color:var(--muted);font-size:14px}img{max-width:100%;height:auto;display:block;margin:10px 0}
.scroll{overflow-x:auto;margin:8px 0 14px}table{border-collapse:collapse;font-size:14px;
font-variant-numeric:tabular-nums}th,td{padding:4px 12px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--muted);font-weight:600}.n{text-align:right}.t{text-align:left}
.chips{display:flex;flex-wrap:wrap;gap:6px;margin:4px 0 12px;padding:0;list-style:none}
.chips li{border-radius:14px;padding:2px 11px;font-size:14px;background:#eef1f4}
.chips.yes li{background:#dcecf6;color:#00466e}.chips.no li{background:#fbe6da;color:#7c3600}
details{margin:10px 0}summary{cursor:pointer;font-weight:600}pre{background:#f6f7f9;border-radius:8px;padding:12px;
overflow-x:auto;font-size:13px}ul{margin:6px 0 12px;padding-left:20px}li{max-width:78ch}
"""


def render(
    summary: Summary, material: Material, pictures: Sequence[Picture], metadata: Mapping[str, Any]
) -> str:
    """The page as HTML text; the pictures are embedded, nothing is loaded from elsewhere."""
    leading = summary.leading()
    parts = [
        "<h1>Which feature does each neuron listen to?</h1>",
        f'<p class="lead">{_lead(summary, material)}</p>',
        _cards(summary, material),
        _section("In short", f"<p>{_CAUTION}</p>" + "".join(_in_short(summary, s) for s in leading)),
        _section("How to read", f"<p>{_READ}</p><ul>{_CONTROLS}</ul>"),
        *(_view(summary, s, pictures) for s in leading),
        _pictures("Maps beside features", pictures, "maps"),
        _others(summary, pictures),
        _network(material, pictures),
        _section("Files and settings", _files(summary, material, metadata)),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>actjax report</title><style>{_STYLE}</style>"
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'
    )


def sort_features(summary: Summary, score_set: int) -> dict[str, list[str]]:
    """Features by what their best scores show: "gain", "untrained", "input" (in both where both are as close).

    Each entry names the feature and the trained unit's layer and gain, or by how much a control is
    closer.
    """
    found: dict[str, list[tuple[float, str]]] = {"gain": [], UNTRAINED: [], INPUT: []}
    strength = summary.units.strength
    for f in summary.features_of(score_set):
        v = verdict(summary, score_set, f)
        if v.trained < 0 or np.isnan(v.gain):
            continue
        if not v.close:
            layer = summary.layers[summary.units.layer[v.trained]]
            found["gain"].append((v.gain, f"{summary.features[f]} +{v.gain:.2f} in {layer}"))
        for name, unit in ((UNTRAINED, v.untrained), (INPUT, v.input)):
            if any(words.startswith(f"{name} ") for words in v.close):
                ahead = float(strength[unit] - strength[v.trained])
                words = f" {ahead:.2f} closer" if f"{name} closer" in v.close else ""
                found[name].append((ahead, summary.features[f] + words))
    return {name: [text for _, text in sorted(items, reverse=True)] for name, items in found.items()}


def _lead(summary: Summary, material: Material) -> str:
    networks = ", ".join(summary.networks)
    text = f"{summary.rows:,} scores of {len(summary.sets)} kinds; networks: {networks}."
    if summary.controls:
        text += f" {summary.controls:,} rows of further controls are in the score table only."
    return html.escape(text)


def _cards(summary: Summary, material: Material) -> str:
    network = summary.network(TRAINED) or 0
    u = summary.units
    units = len(
        np.unique(u.layer[u.network == network].astype(np.int64) << 32 | u.neuron[u.network == network])
    )
    cards = [(f"{units:,}", f"units in {len(summary.layers_of(network))} layers")]
    cards.append((str(len(summary.features)), "features"))
    if material.evaluation is not None:
        clips = int(np.sum(material.evaluation["confusion"]))
        cards.insert(0, (f"{material.evaluation['accuracy']:.1%}", f"accuracy on {clips:,} held-out clips"))
    cards.append((str(len(material.skipped)), "files left out"))
    inside = "".join(f'<div class="card"><b>{b}</b><span>{html.escape(s)}</span></div>' for b, s in cards)
    return f'<div class="cards">{inside}</div>'


def _in_short(summary: Summary, score_set: int) -> str:
    found = sort_features(summary, score_set)
    if not any(found.values()):
        return f"<h3>{_title(summary, score_set)}</h3><p>No control was scored, so nothing can be said.</p>"
    lines = [f"<h3>{_title(summary, score_set)}</h3>"]
    for name, kind, words in (
        ("gain", "yes", "The trained network comes closer than every control to"),
        (UNTRAINED, "no", "The untrained network is as close or closer, so training shows nothing here, for"),
        (INPUT, "no", "The input itself is as close or closer, so no network is needed, for"),
    ):
        items = "".join(f"<li>{html.escape(item)}</li>" for item in found[name])
        lines.append(f'{words}{":" if items else " no feature."}<ul class="chips {kind}">{items}</ul>')
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
