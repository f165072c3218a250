"""Every metric against what people use instead, and against the plain matrix product, in one process.

    python -m actjax.benchmark.speed [--full] [--out FOLDER] [option=value ...]

Needs jax, flax and numpy alone; libraries that are not there are left out and named. Runs alternate, and
medians are compared: the ratios hold on a busy machine, the seconds do not.
"""

import argparse
import ast
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import files, parallel
from actjax.benchmark import timing
from actjax.benchmark.speed import cases
from actjax.benchmark.speed import plot as speed_plot
from actjax.options import Names, Number
from actjax.pages.rows import csv_text, markdown
from actjax.workdir.sections import Sections

RANGES = {
    "metrics": Names(least=1),
    "max_pairs": Number(0, 10**12, whole=True),
    "scaling_observations": Number(1, 10**9, whole=True),
    "scaling_seconds": Number(0, 10**6),
}
COLUMNS = {
    "name": "metric",
    "layout": "layout",
    "neurons": "neurons",
    "rows": "rows",
    "observations": "observations",
    "seconds": "seconds",
    "pairs_per_s": "pairs / s",
    "product_share": "share of the plain product's rate",
    "cpu_share": "share by CPU time",
    "peer": "instead of",
    "ratio": "times faster",
    "cpu_ratio": "times less CPU time",
}


def benchmark(
    *,
    neurons: int = 1024,
    rows: int = 256,
    observations: int = 20_000,
    repeats: int = 5,
    metrics: str | Iterable[str] | None = None,
    max_pairs: int = 10**7,
    scaling_observations: int = 1000,
    scaling_seconds: float = 3.0,
    full: bool = False,
    sections: Sections | None = None,
) -> list[dict[str, Any]]:
    """Times metrics, their peers and the plain product of the same shapes, compiled and warm.

    Args:
      neurons, rows, observations: shapes; metrics that cost more take a share of the neurons.
      repeats: alternating runs, of which medians are taken.
      metrics: names (or a comma string); by default those that have peers, with `full` all on vectors.
      max_pairs: the largest point of seconds against pairs; 0 leaves that part out.
      scaling_observations: observations there.
      scaling_seconds: a line ends where its next point would take longer than this.
      full: 4,096 neurons, all metrics, up to 10^9 pairs where they fit.
      sections: where what was timed is kept, and taken from.

    Returns:
      Rows of two parts, "metrics" and "scaling": name, layout, neurons, rows, observations, pairs, seconds,
      pairs_per_s, product_share (the plain product's seconds by the metric's), product_gflops, peer,
      peer_seconds (of all pairs, from those measured), ratio and device; cpu_share and cpu_ratio are the same
      by CPU time of the process, which holds on a busy machine and says nothing about an accelerator.
    """
    if full:
        neurons, max_pairs, scaling_seconds = max(neurons, 4096), max(max_pairs, 10**9), 30.0
    names = [name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else metrics
    missing: set[str] = set()
    measured: list[dict[str, Any]] = []
    sections = sections or Sections()

    def timed(case: cases.Case) -> list[dict[str, Any]]:
        return _metric_rows(cases.make_ready(case, neurons, rows, observations, missing), repeats)

    for case in cases.select(names, full):
        measured += sections.value(
            f"{case.metric} {case.layout}",
            lambda case=case: timed(case),
        )
        _say(measured[-1])
    if max_pairs:
        measured += _scaling_rows(max_pairs, scaling_observations, scaling_seconds, missing, sections)
    if missing:
        print(f"left out, not installed: {', '.join(sorted(missing))}")
    device = _device()
    return [row | {"device": device} for row in measured]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The ratios as Markdown."""
    return markdown([row for row in rows if row["part"] == "metrics"], COLUMNS)


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> Path | None:
    """Seconds against pairs as a PNG; None where there are no such rows. Needs matplotlib."""
    if not any(row["part"] == "scaling" for row in rows):
        return None
    return speed_plot.draw(rows, path)


def _metric_rows(ready: cases.ReadyCase, repeats: int) -> list[dict[str, Any]]:
    """A row without peers, or one for each peer."""
    works: dict[Hashable, timing.Work] = {"product": ready.product, "ours": ready.ours}
    works |= {(peer.name, i): work for peer in ready.peers for i, (work, _) in enumerate(peer.works)}
    wall, cpu = timing.alternating(works, repeats)
    n, k, o = ready.shape
    row = {
        "part": "metrics",
        "name": ready.case.metric,
        "layout": ready.case.layout,
        "neurons": n,
        "rows": k,
        "observations": o,
        "pairs": n * k,
        "seconds": wall["ours"],
        "pairs_per_s": n * k / wall["ours"],
        "product_share": wall["product"] / wall["ours"],
        "cpu_share": cpu["product"] / max(cpu["ours"], 1e-9),
        "product_gflops": 2e-9 * n * k * o / wall["product"],
    }
    if not ready.peers:
        return [row]
    out = []
    for peer in ready.peers:
        seconds = sum(wall[peer.name, i] * times for i, (_, times) in enumerate(peer.works))
        cpu_seconds = sum(cpu[peer.name, i] * times for i, (_, times) in enumerate(peer.works))
        ratios = {"ratio": seconds / wall["ours"], "cpu_ratio": cpu_seconds / max(cpu["ours"], 1e-9)}
        out.append(row | {"peer": peer.name, "peer_seconds": seconds} | ratios)
    return out


def _scaling_rows(
    max_pairs: int, o: int, limit_s: float, missing: set[str], sections: Sections
) -> list[dict[str, Any]]:
    """Each line goes up by tens until the next point would take too long or not fit."""
    rows: list[dict[str, Any]] = []
    last: dict[str, float] = {}
    for n, k in cases.scaling_shapes(max_pairs, o):
        ended = {name for name, seconds in last.items() if 10 * seconds > limit_s}
        point = sections.value(
            f"scaling {n} x {k}", lambda n=n, k=k, ended=ended: _scaling_point(n, k, o, missing, ended)
        )
        last |= point["last"]
        rows += point["rows"]
    return rows


def _scaling_point(n: int, k: int, o: int, missing: set[str], ended: set[str]) -> dict[str, Any]:
    """The rows of one size, and what a run of each line took; lines that have ended aside."""
    rows, last = [], {}
    for name, (work, times) in cases.scaling_works(n, k, o, missing).items():
        if name in ended:
            continue
        last[name] = timing.alternating({name: work}, 3)[0][name]
        seconds = last[name] * times
        row = {"part": "scaling", "name": name, "neurons": n, "rows": k, "observations": o, "pairs": n * k}
        rows.append(row | {"seconds": seconds, "pairs_per_s": n * k / seconds})
        _say(rows[-1])
    return {"rows": rows, "last": last}


def _say(row: Mapping[str, Any]) -> None:
    """One line as soon as a row is there: what was measured stays seen where a run is stopped."""
    share = f", {row['product_share']:.2f} of the plain product's rate" if "product_share" in row else ""
    peer = f", {row['ratio']:.3g} times as fast as {row['peer']}" if "peer" in row else ""
    shape = f"{row['neurons']} x {row['rows']} x {row['observations']}"
    print(f"{row['name']} {row.get('layout', '')} {shape}: {row['seconds']:.3g} s{share}{peer}", flush=True)


def _device() -> str:
    devices = parallel.describe_devices()
    if devices["kinds"] == ["cpu"]:
        return f"{os.cpu_count()}-core CPU"
    return f"{devices['count']} x {', '.join(devices['kinds'])}"


def main() -> None:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Times metrics against their peers.")
    parser.add_argument("options", nargs="*", help="option=value of benchmark()")
    parser.add_argument("--full", action="store_true", help="large shapes and all metrics")
    parser.add_argument("--out", type=Path, help="a folder for speed.csv, speed.md and speed.png")
    arguments = parser.parse_args()
    options = dict(option.split("=", 1) for option in arguments.options)
    rows = benchmark(full=arguments.full, **{k: _literal(v) for k, v in options.items()})
    print(table(rows))
    if arguments.out:
        files.write_text(arguments.out / "speed.csv", csv_text(rows))
        files.write_text(arguments.out / "speed.md", table(rows) + "\n")
        try:
            plot(rows, arguments.out / "speed.png")
        except ImportError as error:
            print(f"no picture: {error}")


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
