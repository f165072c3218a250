"""The findings on the report's front: what training adds over every control; the nulls' calibration."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actjax import files
from actjax.pages.markup import Markup, folded, join, tag, trusted
from actjax.pages.table import Table
from actjax.workdir import benchmark_table
from actjax.workdir.findings_table import ClaimRow, FindingsTable

_EXPLAINED = """
Effect: the trained network's best unit minus the strongest control's, each chosen on one half of the held-out
recordings and reported on the other, with its 95 % interval over recordings{seeds}. p: the trained network's
own score against {permuted}, the choice repeated in every replicate; the largest p of a finding's claims,
Holm-corrected over the findings. <b>holds</b>: interval above 0.05, p below 0.05{five}; <b>weakly</b>:
interval above 0; <b>reversed</b>: interval below 0. A finding holds if all its claims do.
"""
_PERMUTED = {
    "within_class": "recordings permuted within their class",
    "unrestricted": "recordings permuted regardless of class (the data have no single classes: what merely "
    "differs between kinds of recordings is not ruled out)",
}


def findings_table(table: FindingsTable) -> Table:
    """One row a finding, one row a claim below it."""
    rows = []
    for finding in table["findings"]:
        head = f"{finding['finding']}. {finding['short']}"
        rows.append((head, "", "", "", "", p_value(finding["p"]), finding["verdict"].upper()))
        for claim in (p for p in table["parts"] if p["finding"] == finding["finding"]):
            details = table["details"][claim["part"]]
            control = claim["scores"].get(claim["control"], {}).get("value", float("nan"))
            rows.append(
                (
                    f"  {details['layer']}: {claim['title']}",
                    number(claim["scores"]["trained"]["value"]),
                    f"{number(control)} {claim['control']}",
                    number(claim["effect"]),
                    _interval_of(claim),
                    p_value(claim["p"]),
                    claim["verdict"],
                )
            )
    names = ("finding", "trained", "strongest control", "effect", "95 % interval", "p", "verdict")
    columns = tuple((name, "<" if name in ("finding", "verdict") else ">") for name in names)
    return Table(f"The four findings ({marks(table)})", columns, rows)


def units_table(table: FindingsTable) -> Table:
    """What is known of the trained units beside the effects."""
    rows = []
    for claim in table["parts"]:
        details = table["details"][claim["part"]]
        unit = f"{details['layer']} / {details['neuron']}, {details['row']}"
        rows.append(
            (
                claim["title"],
                f"{unit} ({details['chosen_in']:.0%})",
                number(details["ridge"]),
                _by_layer(details["share_above"], "{:.0%}"),
                f"{number(details.get('eta2_neuron'))} / {number(details.get('eta2_feature'))}",
                _by_layer(details.get("stability", {}), "{:.2f}"),
            )
        )
    names = ("claim", "unit chosen most often", "ridge ceiling", "units above null's 99th percentile")
    names += ("eta² unit / feature", "stability")
    columns = tuple((name, ">" if name == "ridge ceiling" else "<") for name in names)
    note = (
        "Ridge ceiling: cross-validated, from all units of the layer. By chance 1 % of units pass the null's "
        "99th percentile. Eta squared: the share of variance between clips that lies between classes. "
        "Stability: how often both halves agree on a unit's best feature."
    )
    return Table("Units behind the findings", columns, rows, note)


def console(table: FindingsTable) -> str:
    """The findings as text."""
    lines = [findings_table(table).text(), *(f"not made: {line}" for line in table["not_made"])]
    return "\n".join([*lines, *undefined(table)])


def undefined(table: FindingsTable) -> list[str]:
    """A line for each control of which some networks have no score, and each claim without an interval."""
    lines = []
    for claim in table["parts"]:
        for kind, scores in claim["scores"].items():
            if count := scores.get("undefined", 0):
                networks = f"{count} of {sum(map(len, scores['members']))} {kind} networks"
                lines.append(f"{claim['part']}: {networks} have no score; the mean is of the others")
        if not np.isfinite(claim["low"]):
            lines.append(f"{claim['part']}: no interval, because {_why_none(claim, table['recordings'])}")
    return lines


def _interval_of(claim: ClaimRow) -> str:
    return f"{number(claim['low'])} to {number(claim['high'])}" if np.isfinite(claim["low"]) else "none"


def _why_none(claim: ClaimRow, recordings: int) -> str:
    if not np.isfinite(claim["effect"]):
        return "the trained network or every control has no score"
    return (
        f"more than a tenth of the resamples of {recordings} recordings leave a score undefined: "
        "score more recordings"
    )


def marks(table: FindingsTable) -> str:
    """How much stands behind the table: seeds, initialisations, replicates."""
    options, seeds = table["options"]["findings"], len(table["seeds"])
    return (
        f"{'one seed' if seeds == 1 else f'{seeds} seeds'}, {options['untrained']} initialisations, "
        f"R = {options['replicates']}, {table['recordings']} recordings"
    )


def section(table: FindingsTable, picture: Markup) -> Markup:
    """The inside of the page's first section."""
    several = len(table["seeds"]) > 1
    words = _EXPLAINED.format(
        seeds=" and training seeds" if several else "",
        five=", four of five seeds" if several else " (one seed: nothing is known of others)",
        permuted=_PERMUTED[table["permuted"]],
    )
    body = [tag("p", marks(table), class_="note"), findings_table(table).html(), picture]
    body.append(tag("p", trusted(words)))  # of this module alone: what is filled in too
    if table.get("grid"):
        seen = "; ".join(
            f"{layer}: harmonic {v['harmonic']:.2f}, percussive {v['percussive']:.2f}"
            for layer, v in table["grid"].items()
        )
        body.append(tag("p", f"The features themselves seen through the layers' grids: {seen}."))
    units = units_table(table)
    body.append(folded(units.title, units.html(), tag("p", units.note, class_="note")))
    left = [tag("li", line) for line in [*table["not_made"], *undefined(table)]]
    return join(*body, *([tag("p", "Not made:"), tag("ul", *left)] if left else []))


def calibration_table(workdir: Path) -> Table | None:
    """How often the nulls reject where nothing is to be found; None without that benchmark."""
    rows = benchmark_table.read(workdir, "calibration")
    if rows is None:
        return None
    path = benchmark_table.path_of(workdir, "calibration")
    with files.reading(path, "the table of --stage=benchmark's calibration"):
        return _calibration(rows)


def _calibration(every: list[dict[str, str]]) -> Table:
    rates = [row for row in every if row["check"] == "rejections"]
    nulls = list(dict.fromkeys(rate["null"] for rate in rates))
    intervals = {(rate["family"], rate["null"]): _interval(rate) for rate in rates}
    rows = [
        (family.replace("_", " "), *(intervals.get((family, null), "-") for null in nulls))
        for family in dict.fromkeys(rate["family"] for rate in rates)
    ]
    columns = (("null sets", "<"), *((null.replace("_", " "), ">") for null in nulls))
    sets = rates[0]["sets"]
    note = f"Share of {sets} null sets with a max-T p below 0.05 (95 % interval): 0.05 is calibrated."
    for row in every:
        if row["check"] == "false discoveries":
            note += f" Mean false discovery proportion at q 0.1 with plants present: {_interval(row)}."
    return Table("Calibration of the nulls", columns, rows, note)


def _interval(row: Mapping[str, str]) -> str:
    rate, low, high = (float(row[name]) for name in ("rate", "low", "high"))
    return f"{rate:.3f} ({low:.3f} to {high:.3f})"


def number(value: float | None) -> str:
    """Two decimals; a dash where undefined."""
    if value is None or not np.isfinite(value):
        return "-"
    text = f"{value:.2f}"
    return ("0.00" if text == "-0.00" else text).replace("-", "−")


def p_value(value: float) -> str:
    """Three decimals; a dash where undefined."""
    return "-" if not np.isfinite(value) else f"{value:.3f}"


def _by_layer(values: Mapping[str, float], form: str) -> str:
    return (
        ", ".join(f"{k} {form.format(v)}" if np.isfinite(v) else f"{k} -" for k, v in values.items()) or "-"
    )
