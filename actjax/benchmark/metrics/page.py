"""The metric benchmark's files: a table for each part, the leaderboard as Parquet, pictures and one page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import files
from actjax.benchmark.metrics import pictures, recall
from actjax.benchmark.metrics.leaderboard import TRACKS
from actjax.benchmark.metrics.plants import DEFINITION, definition_hash
from actjax.benchmark.metrics.published import DIFFERENT
from actjax.pages.markup import Markup, document, folded, image, section, tag
from actjax.pages.rows import csv_text
from actjax.pages.table import Table
from actjax.report.page_text import STYLE

_LEAD = (
    "Every metric of the registry, with its defaults, on neurons whose feature is known, on neurons that "
    "follow none, on concepts that get worse, and on clips in which one thing alone is changed."
)
_PICTURES = (
    ("leaderboard", "Leaderboard", ("leaderboard",)),
    ("recall", "Planted neurons over SNR", ("plants",)),
    ("failures", "Distortions and negatives", ("plants", "negatives")),
    ("label_checks", "Missing and extra labels", ("sanity",)),
    ("causal", "Interventions", ("causal", "dose_response")),
)
_DRAW = {
    "leaderboard": pictures.leaderboard,
    "recall": pictures.recall_curves,
    "failures": recall.failures,
    "label_checks": pictures.label_checks,
    "causal": pictures.causal,
}


def write(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Writes everything there are rows for, and returns the files: the page first."""
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        results.setdefault(row["part"], []).append({k: v for k, v in row.items() if k != "part"})
    written = []
    for name, named_rows in results.items():
        written.append(files.write_text(folder / f"{name}.csv", csv_text(named_rows)))
    if "leaderboard" in results:
        written.append(_parquet(folder / "leaderboard.parquet", results["leaderboard"]))
    drawn = {}
    for name, title, needs in _PICTURES:
        if all(need in results for need in needs):
            drawn[title] = _DRAW[name](*(results[need] for need in needs), folder / f"{name}.png")
    page = files.write_text(folder / "index.html", _page(results, drawn))
    return [page, *written, *drawn.values()]


def _page(results: Mapping[str, list[dict[str, Any]]], drawn: Mapping[str, Path]) -> Markup:
    notes = _notes(results)
    return document(
        "actjax: benchmark of metrics",
        STYLE,
        tag("h1", "Which similarity metric finds what?"),
        tag("p", _LEAD, class_="lead"),
        *(
            section(
                title,
                tag("p", notes[title]),
                image(path, f"Picture of {title.lower()}; its numbers stand in the tables below."),
                *map(_folded, _tables(title, results)),
            )
            for title, path in drawn.items()
        ),
        _named_units(results.get("known", [])),
        section("Settings", *_settings(results)),
    )


def _named_units(rows: Sequence[Mapping[str, Any]]) -> str:
    """The track of real networks; nothing where there is none."""
    if not rows:
        return ""
    note = (
        "Units whose names say what they follow (flute, loud, 440 Hz), written down before they were scored: "
        "on how many the metric puts the expected row first, the mean of 1 / rank, and the median rank."
    )
    columns = ("metric", "units", "first", "reciprocal", "median", "rows")
    shown = _table("Named units of a real network", rows, columns)
    return section("Named units of a real network", tag("p", note), shown.html())


def _notes(results: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    weights = "; ".join(
        f"{track}: " + ", ".join(f"{name} {w:g}" for name, w in ws.items()) for track, ws in TRACKS.items()
    )
    different = "; ".join(f"{name}: {why}" for name, why in DIFFERENT.items())
    return {
        "Leaderboard": "(raw - chance) / (oracle - chance) of each task, averaged with fixed weights "
        f"({weights}). A rank is 1 plus the number of metrics whose whole interval lies above. Metrics that "
        "cannot do a task are out of the track; why is listed with the settings.",
        "Planted neurons over SNR": "A plant is a real feature with noise of its own spectrum, found if "
        "the highest score names a feature of its cluster.",
        "Distortions and negatives": "Hatched: undefined, or never drawn in that comparison.",
        "Missing and extra labels": "A neuron equals its concept; then the concept loses half of its labels, "
        f"or gains as many wrong ones. Published figures stand in the table; where ours differ: {different}.",
        "Interventions": "Clips rendered at five doses of one change. A metric predicts effects if units "
        "that score higher on a feature also respond more, for each unit of that feature's measured change, "
        "on clips that were not scored.",
    }


def _tables(title: str, results: Mapping[str, list[dict[str, Any]]]) -> list[Table]:
    if title == "Leaderboard":
        columns = ("rank", "metric", "total", "low", "high", "false_positives")
        return [
            _table(
                f"{track.capitalize()} track",
                [row for row in results["leaderboard"] if row["track"] == track],
                (*columns, *tasks),
            )
            for track, tasks in TRACKS.items()
        ]
    if title == "Missing and extra labels":
        columns = ("metric", "check", "gamma", "delta", "published", "decrease", "auroc", "seeds")
        rows = [r for r in results["sanity"] if r["gamma"] > 0]
        return [_table("Ours beside the published figures", rows, columns)]
    if title == "Planted neurons over SNR":
        columns = ("metric", "comparison", "kind", "snr_db", "recall", "reciprocal_rank", "plants")
        costs = list({(r["metric"], r["comparison"]): r for r in results["plants"]}.values())
        return [
            _table("Recall and mean reciprocal rank", results["plants"], columns),
            _table("Time and memory", costs, ("metric", "comparison", "seconds", "peak_mib", "undefined")),
        ]
    if title == "Interventions":
        columns = ("intervention", "option", "dose", "clip_id", "class")
        return [_table("Clips to listen to", results.get("clips", []), columns)]
    return []


def _table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    sides = tuple((name, "<" if rows and isinstance(rows[0].get(name), str) else ">") for name in columns)
    return Table(title, sides, [tuple(_cell(row.get(name)) for name in columns) for row in rows])


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _folded(table: Table) -> Markup:
    return folded(table.title, table.html())


def _settings(results: Mapping[str, list[dict[str, Any]]]) -> list[Markup]:
    absent = [tag("li", f"{r['metric']} ({r['comparison']}): {r['why']}") for r in results.get("absent", [])]
    plants = tag("pre", json.dumps(dict(DEFINITION), indent=1))
    return [
        folded("This run", tag("pre", json.dumps(results["seed"][0], indent=1))),
        folded(f"{DEFINITION['name']}, SHA-256 {definition_hash()}", plants),
        folded("Who could not take part", tag("ul", *absent)),
    ]


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    import pyarrow
    from pyarrow import parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    with files.written_whole(path) as aside:
        parquet.write_table(table, aside)
    return path
