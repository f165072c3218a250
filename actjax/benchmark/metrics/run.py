"""Which similarity metric finds what, and what fools it: the benchmark of the metrics themselves.

    python -m actjax.benchmark.metrics

Label checks, planted neurons and interventions on rendered clips; a leaderboard in three tracks. Metrics are
found by their files, so a new one takes part by itself.
"""

import argparse
import inspect
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import lookup
from actjax.benchmark.metrics import causal as metrics_causal
from actjax.benchmark.metrics import label_checks, rendered
from actjax.benchmark.metrics import leaderboard as metrics_leaderboard
from actjax.benchmark.metrics import plants as metrics_plants
from actjax.benchmark.metrics.judged_trials import JudgedTrials, Results, Sizes, draw_trials
from actjax.benchmark.metrics.units import JudgedUnits
from actjax.options import Names
from actjax.pages.rows import markdown
from actjax.similarity import api
from actjax.types import Metric
from actjax.workdir.sections import Sections

PARTS = ("sanity", "plants", "causal", "known")
RANGES = {"parts": Names(PARTS, least=1), "metrics": Names(least=1)}
KNOWN = ("metric", "units", "first", "reciprocal", "median", "rows")
# Beside the defaults, in the label checks alone: the published way of breaking ties.
VARIANTS = ("spearman(ties='random')",)


def benchmark(
    *,
    metrics: str = "all",
    parts: str = "sanity,plants,causal",
    seed: int | None = None,
    networks: Mapping[str, metrics_causal.Units] | None = None,
    known: Mapping[str, Mapping[str, float]] | None = None,
    clips: int = 64,
    map_clips: int = 24,
    plants: int = 24,
    distorted: int = 8,
    negatives: int = 16,
    sanity_inputs: int = 500_000,
    sanity_seeds: int = 1000,
    dose_clips: int = 6,
    sections: Sections | None = None,
) -> list[dict[str, Any]]:
    """Runs the benchmark.

    Args:
      metrics: comma-separated names, or "all"; each with its default options.
      parts: comma-separated, of sanity, plants, causal, known; the last alone makes nothing anew.
      seed: of the test plants, label draws and dose clips; None draws one. Clusters of features are found on
        clips of another, fixed seed.
      networks: name -> units for the causal check, such as `causal.module_units` makes; mixtures of
        features and random filters by default.
      known: metric -> how it does on the named units of a real network, the numbers of
        `hypotheses.known_units.Standing`; a track of its own.
      clips: whose frames, and means, are compared in the vector and binary tracks.
      map_clips: the same in the map track.
      plants: for each SNR, without distortion; half of that in the map track, as of the next two.
      distorted: for each SNR and distortion.
      negatives: of each kind.
      sanity_inputs, sanity_seeds: of the label checks.
      dose_clips: clips of each intervention.
      sections: where what a metric came to is kept, and taken from; the seed too, if one is drawn.

    Returns:
      Rows of several parts, told apart by `part`: "leaderboard" (track, metric, rank, total, low, high,
      false_positives and the parts of the track), "sanity", "plants", "negatives", "causal",
      "dose_response", "clips" (what to listen to), "absent" (who could not take part, and why) and "seed".

    Raises:
      ValueError: an unknown part or metric.
    """
    names = [name.strip() for name in parts.split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            raise ValueError(f"benchmark parts are {', '.join(PARTS)}; got {name!r}")
    sizes = Sizes(clips, map_clips, plants, distorted, negatives, sanity_inputs, sanity_seeds, dose_clips)
    sections = sections or Sections()
    if seed is None:
        seed = int(sections.value("seed", lambda: secrets.randbelow(2**31)))
    results = run(entries_of(metrics), names, seed, networks, sizes, sections)
    rows = [{"part": part} | row for part, rows in results._asdict().items() for row in rows]
    return rows + [{"part": "known", "metric": name, **numbers} for name, numbers in (known or {}).items()]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The leaderboard as Markdown, one table a track."""
    texts = []
    for track, weights in metrics_leaderboard.TRACKS.items():
        track_rows = [row for row in rows if row["part"] == "leaderboard" and row["track"] == track]
        columns = {"rank": "rank", "metric": "metric", "total": "total", "low": "from", "high": "to"}
        columns |= {"false_positives": "false positives"} | {name: name for name in weights}
        if track_rows:
            texts.append(f"## {track.capitalize()} track\n\n" + markdown(track_rows, columns))
    named = [row for row in rows if row["part"] == "known"]
    if named:
        texts.append("## Named units of a real network\n\n" + markdown(named, {name: name for name in KNOWN}))
    return "\n\n".join(texts)


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draws the leaderboard; the page, all tables and pictures go to the folder of the picture's name."""
    from actjax.benchmark.metrics import page, pictures

    written = page.write(rows, path.with_suffix(""))
    print("\n".join(f"  {file}" for file in written))
    board = [row for row in rows if row["part"] == "leaderboard"]
    return pictures.leaderboard(board, path) if board else written[0]


def run(
    entries: Mapping[str, Metric],
    parts: Sequence[str],
    seed: int,
    networks: Mapping[str, metrics_causal.Units] | None,
    sizes: Sizes,
    sections: Sections,
) -> Results:
    """All chosen parts, from metrics to results."""
    rng = np.random.default_rng([seed, 1])
    results = Results(*([] for _ in Results._fields))
    results.seed.append({"seed": seed, "definition": metrics_plants.DEFINITION["name"], **sizes._asdict()})
    if "sanity" in parts:
        variants = [spec for spec in VARIANTS if spec.split("(")[0] in entries]
        checked = dict(entries) | {spec: _metric_of(spec) for spec in variants}
        results.sanity.extend(
            label_checks.run(
                checked, seed=seed, seeds=sizes.sanity_seeds, inputs=sizes.sanity_inputs, sections=sections
            )
        )
    trials = JudgedTrials("plants" in parts, rng, results, sections)
    if "plants" in parts or "causal" in parts:
        definition = metrics_plants.DEFINITION
        clips = rendered.render(seed, range(sizes.clips), definition)
        material = rendered.measure(clips, definition)
        units = JudgedUnits(networks, clips, seed, sizes.dose_clips) if "causal" in parts else None
        for trial in draw_trials(rng, material, sizes, units, trials.planted):
            trials.score(trial, entries, units)
        if units is not None:
            results.dose_response.extend(units.dose_response())
            results.clips.extend(units.pairs())
    if trials.judged:
        board = metrics_leaderboard.board(
            trials.judged, results.sanity, trials.effects, seed=seed, parts=parts
        )
        results.leaderboard.extend(board)
    return results


def entries_of(metrics: str) -> dict[str, Metric]:
    """Name -> metric of comma-separated names, or of "all"."""
    names = lookup.names("metric") if metrics == "all" else [name for name, _ in lookup.parse_specs(metrics)]
    return {name: api.make_metric(name) for name in names}


def _metric_of(spec: str) -> Metric:
    [(name, options)] = lookup.parse_specs(spec)
    return api.make_metric(name, **options)


def main() -> None:
    """The command line: every option of `benchmark` but networks and what is known of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", default="runs/metric_benchmark/benchmark", help="folder of tables and page")
    for name, option in inspect.signature(benchmark).parameters.items():
        if name not in ("networks", "known", "sections"):
            kind = str if isinstance(option.default, str) else int
            parser.add_argument(f"--{name}", type=kind, default=option.default)
    options = vars(parser.parse_args())
    out = Path(options.pop("out"))
    out.mkdir(parents=True, exist_ok=True)
    rows = benchmark(**options)
    print(table(rows))
    plot(rows, out / "metrics.png")
