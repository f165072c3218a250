"""The table as Markdown: what was measured, beside the device's limits and the peers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actjax.benchmark.accelerator import limits
from actjax.benchmark.accelerator.rows import Section
from actjax.pages.rows import grid

_HEADINGS = (
    "work",
    "size",
    "ms",
    "rate",
    "share of the limit",
    "limit",
    "largest error",
    "peer",
    "peer's ms",
    "times faster",
    "first call, s",
)
_RIGHT = {"ms", "rate", "share of the limit", "peer's ms", "times faster", "first call, s"}


def markdown(
    lines: Sequence[Mapping[str, Any]],
    latest: Mapping[tuple[str, str], Mapping[str, Any]],
    sections: Iterable[Section],
    command: str,
) -> str:
    """The whole page: machine and command, one table a section, and how it is to be read."""
    measured = limits.rates(latest)
    machines = [line["machine"] for line in lines if "machine" in line]
    page = ["# On an accelerator", "", *_machine(machines), f"Command: `{command}`", "", _READING]
    for section in sections:
        rows = {row: line for (name, row), line in latest.items() if name == section.name}
        page += ["", f"## {section.title}", ""]
        page.append(_section(rows, measured) if rows else "Not measured.")
    return "\n".join(page) + "\n"


_READING = """\
Milliseconds are medians of runs that end when the device has finished, after a first one that compiles.
The limit is the largest of: bytes that must be read and written over the rate of a copy, operations over the
rate of a product (one in float32, or three in bfloat16, whichever is faster; one in bfloat16 where this is
exact or training needs no more), keys over the rate of a sort, bytes over the bus. Errors are the largest
difference from the same in float64, on a sample of the pairs, by the largest score where scores exceed 1,
unless another outsider is named. Loops of peers are timed for some of their steps and scaled. Training is by
the step, in calls of 20 steps on clips that are on the device: the same rows again and again, and beside it
fed with new rows from the host, as a training run is between evaluations."""


def _machine(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each machine and day."""
    said = []
    for machine in machines:
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        driver = f", driver {machine['driver']}" if machine["driver"] else ""
        said.append(
            f"{machine['device']}{driver}; Python {machine['python']}, {versions}; {machine['date'][:10]}."
        )
    return [*dict.fromkeys(said), ""]


def _section(rows: Mapping[str, Mapping[str, Any]], measured: Mapping[str, float]) -> str:
    cells = [cell for row, line in rows.items() for cell in _row(row, line, measured)]
    used = [i for i, name in enumerate(_HEADINGS) if i == 0 or any(cell[i] for cell in cells)]
    alignment = [">" if _HEADINGS[i] in _RIGHT else "<" for i in used]
    return grid([_HEADINGS[i] for i in used], ([cell[i] for i in used] for cell in cells), alignment)


def _row(name: str, line: Mapping[str, Any], measured: Mapping[str, float]) -> list[list[str]]:
    """One line of cells, and one more for each further peer."""
    if "failed" in line:
        return [[name, line["failed"], *[""] * 9]]
    limit = limits.of_row(line, measured)
    share = ["", ""] if limit is None else [f"{limit.ms / line['ms']:.2g}", limit.what]
    first = f"{line['first_s']:.1f}" if "first_s" in line else ""
    ours = [name, line["shape"], _number(line["ms"]), _rate(line), *share, _error(line)]
    peers = [_peer(peer, ms, line["ms"]) for peer, ms in line.get("peers", {}).items()] or [[""] * 3]
    return [[*ours, *peers[0], first]] + [[""] * len(ours) + peer + [""] for peer in peers[1:]]


def _peer(name: str, ms: float | str, ours_ms: float) -> list[str]:
    if isinstance(ms, str):
        return [name, ms, ""]
    return [name, _number(ms), f"{ms / ours_ms:.3g}"]


def _rate(line: Mapping[str, Any]) -> str:
    if "rate" in line:
        return f"{_number(line['rate'])} {line['unit']}"
    said = [f"{_number(line['clips_per_s'])} clips/s"] if "clips_per_s" in line else []
    if "fed_clips_per_s" in line:
        fed = line["fed_clips_per_s"]
        said.append(f"fed from the host {_number(fed)} ({fed / line['clips_per_s']:.2f})")
    if "held_gib" in line:
        said.append(f"{line['pairs_per_s']:.2e} pairs/s")
        held = [gib for gib in line["held_gib"] if math.isfinite(gib)]
        said += ["held " + " and ".join(f"{gib:.2f}" for gib in held) + " GiB"] if held else []
        said.append(f"working memory {line['working_gib']:.2f} GiB")
    return ", ".join(said)


def _error(line: Mapping[str, Any]) -> str:
    if "error" not in line:
        return ""
    error = line["error"]
    said = error if isinstance(error, str) else f"{error:.1e}"
    return said if line["against"] == "float64" else f"{said} ({line['against']})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
