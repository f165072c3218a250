"""The findings on the report: three questions to each, beside them the input; the nulls' calibration."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actjax import files
from actjax.pages.markup import Markup, folded, join, tag, trusted
from actjax.pages.numbers import interval, number, p_value, signed
from actjax.pages.table import Table
from actjax.workdir import benchmark_table
from actjax.workdir.findings_table import QUESTIONS, Answer, ClaimRow, FindingsTable

_EXPLAINED = """
Every score is that of the best unit, chosen on one half of the scored recordings and reported on the
other; 95 % intervals are over recordings{seeds}. <b>Above chance?</b> The trained score against {permuted},
the choice repeated in every replicate; p is the largest of a finding's claims, Holm-corrected over the
findings. <b>Added by training?</b> The trained score less that of the strongest network that has learnt
nothing of the task: untrained, shuffled weights, or trained on shuffled labels. <b>In single units?</b> The
trained score less that of the same layer with its channels mixed at random (rotated): what mixtures show as
well is the layer's and not its units'. <b>Beyond the input?</b> The trained score less that of the
spectrogram that the network is given. <b>yes</b>: the interval lies above 0.05{five}; <b>weakly</b>: above
0; <b>no</b>: it holds 0; <b>less</b>: it lies below 0. A finding is answered <b>yes</b> or <b>weakly</b>
only where all its claims are.
"""
HEADINGS = dict(
    zip(
        QUESTIONS,
        ("above chance?", "added by training?", "in single units?", "beyond the input?"),
        strict=True,
    )
)
RIDGE = "all units together"
_PERMUTED = {
    "within_class": "recordings permuted within their class",
    "unrestricted": "recordings permuted regardless of class (the data have no single classes: what merely "
    "differs between kinds of recordings is not ruled out)",
}


def findings_table(table: FindingsTable, *, intervals: bool = True) -> Table:
    """One row a finding, one row a claim below it, one column a question; intervals where there is room."""
    rows = []
    for finding in table["findings"]:
        head = f"{finding['finding']}. {finding['short']}"
        words = [finding["answers"].get(question, "not asked").upper() for question in QUESTIONS]
        words[0] += f", p {p_value(finding['p'])}"
        rows.append((head, "", *words))
        for claim in (p for p in table["parts"] if p["finding"] == finding["finding"]):
            layer = table["details"][claim["part"]]["layer"]
            answers = [_answer(claim, question, intervals) for question in QUESTIONS[1:]]
            trained = number(claim["scores"]["trained"]["value"])
            rows.append((f"  {layer}: {claim['title']}", trained, f"p {p_value(claim['p'])}", *answers))
    columns = (("finding", "<"), ("trained", ">"), *((heading, "<") for heading in HEADINGS.values()))
    return Table(f"Three questions to four findings ({marks(table)})", columns, rows)


def _answer(claim: ClaimRow, question: str, intervals: bool) -> str:
    """'yes +0.13 (0.11 to 0.15) over untrained'."""
    answer = claim["answers"].get(question)
    if answer is None:
        return "not asked"
    words = [answer["verdict"], signed(answer["effect"])]
    if intervals:
        ends = interval(answer["low"], answer["high"])
        words.append(f"({ends})" if ends else "(no interval)")
    return " ".join(words + ([f"over {answer['control']}"] if question == "training" else []))


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
    names = ("claim", "unit chosen most often", RIDGE, "units above null's 99th percentile")
    names += ("eta² unit / feature", "stability")
    columns = tuple((name, ">" if name == RIDGE else "<") for name in names)
    note = (
        "All units together: what cross-validated ridge regression from every unit of the layer scores; a "
        "single unit may exceed it. By chance 1 % of units pass the null's 99th percentile. "
        "Eta squared: the share of variance between clips that lies between classes. "
        "Stability: how often both halves agree on a unit's best feature."
    )
    return Table("Units behind the findings", columns, rows, note)


def console(table: FindingsTable) -> str:
    """The findings as text."""
    lines = [
        findings_table(table, intervals=False).text(),
        *(f"not made: {line}" for line in table["not_made"]),
    ]
    return "\n".join([*lines, *undefined(table)])


def undefined(table: FindingsTable) -> list[str]:
    """A line for each control of which some networks have no score, and each claim without an interval."""
    lines = []
    for claim in table["parts"]:
        for kind, scores in claim["scores"].items():
            if count := scores.get("undefined", 0):
                networks = f"{count} of {sum(map(len, scores['members']))} {kind} networks"
                lines.append(f"{claim['part']}: {networks} have no score; the mean is of the others")
        lacking = [a for a in claim["answers"].values() if not np.isfinite(a["low"])]
        if lacking:
            why = _why_none(lacking[-1], table["recordings"])
            lines.append(f"{claim['part']}: no interval, because {why}")
    return lines


def _why_none(answer: Answer, recordings: int) -> str:
    if not np.isfinite(answer["effect"]):
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
        five=" and four of five seeds are above 0" if several else " (one seed: nothing is known of others)",
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
    intervals = {(rate["family"], rate["null"]): _rate(rate) for rate in rates}
    rows = [
        (family.replace("_", " "), *(intervals.get((family, null), "-") for null in nulls))
        for family in dict.fromkeys(rate["family"] for rate in rates)
    ]
    columns = (("null sets", "<"), *((null.replace("_", " "), ">") for null in nulls))
    sets = rates[0]["sets"]
    note = f"Share of {sets} null sets with a max-T p below 0.05 (95 % interval): 0.05 is calibrated."
    for row in every:
        if row["check"] == "false discoveries":
            note += f" Mean false discovery proportion at q 0.1 with plants present: {_rate(row)}."
    return Table("Calibration of the nulls", columns, rows, note)


def _rate(row: Mapping[str, str]) -> str:
    rate, low, high = (float(row[name]) for name in ("rate", "low", "high"))
    return f"{rate:.3f} ({low:.3f} to {high:.3f})"


def _by_layer(values: Mapping[str, float], form: str) -> str:
    return (
        ", ".join(f"{k} {form.format(v)}" if np.isfinite(v) else f"{k} -" for k, v in values.items()) or "-"
    )
