"""Keeps findings.json: the four findings, the claims that they consist of, their effects and verdicts."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from actjax import files

NAME = "findings.json"
# What is asked of every claim: is its score above chance; does training add to it; do single units have it,
# beyond mixtures of them; does the network have it beyond its input?
QUESTIONS = ("chance", "training", "single", "input")
VERDICTS = ("yes", "weakly", "no", "less", "unknown")
# What the recordings were permuted within, under the null.
PERMUTED = ("within_class", "unrestricted")
_REMEDY = "run --stage=findings again"


class KindScores(TypedDict):
    """The scores of the networks of one kind, such as "untrained".

    Keys: value and its interval, low to high; seeds, the value of each training seed; members, the score of
    each network by seed; undefined, how many of these have none.
    """

    value: float
    low: float
    high: float
    seeds: list[float]
    members: list[list[float]]
    undefined: NotRequired[int]


class Answer(TypedDict):
    """The answer to a question about one claim.

    Keys: control, the kind of network that the trained score is compared with, "none" where there is none;
    effect, trained less control, and its 95 % interval, low to high; effects by seed; verdict, of VERDICTS.
    """

    control: str
    effect: float
    low: float
    high: float
    effects: list[float]
    verdict: str


class ClaimRow(TypedDict):
    """What a finding says of one feature and group of layers.

    Keys: the number of its finding; part, the claim's name; title; score, a formula; p, of the trained score
    against chance; scores by kind of network; answers by question, without those that cannot be asked.
    """

    finding: int
    part: str
    title: str
    score: str
    p: float
    scores: dict[str, KindScores]
    answers: dict[str, Answer]


class FindingRow(TypedDict):
    """A finding: its number, title, short title, Holm-corrected p, and the verdict on each question."""

    finding: int
    title: str
    short: str
    p: float
    answers: dict[str, str]


class UnitDetails(TypedDict):
    """What is known of the trained unit behind a claim.

    Keys: layer, neuron, row of the feature; chosen_in, the share of halves that chose this unit; ridge, the
    score of all units together, by cross-validated regression; units, how many were candidates;
    share_above, by layer, of units above the null's 99th percentile; eta2_neuron and eta2_feature, shares
    of variance between classes; stability by layer.
    """

    layer: str
    neuron: int
    row: str
    chosen_in: float
    ridge: float | None
    units: NotRequired[int]
    share_above: dict[str, float]
    eta2_neuron: NotRequired[float]
    eta2_feature: NotRequired[float]
    stability: NotRequired[dict[str, float]]


class FindingsTable(TypedDict):
    """All that the findings stage says.

    Keys: made_from, a hash of what it depends on; seeds; options of the stage and of scoring; clips and
    recordings, how many; permuted, one of PERMUTED; details by claim; grid, by layer, what the harmonic and
    percussive features keep on its grid; not_made, sentences; parts, the claims; findings.
    """

    made_from: NotRequired[str]
    seeds: list[int]
    options: dict[str, Any]
    clips: int
    recordings: int
    permuted: str
    details: dict[str, UnitDetails]
    grid: dict[str, dict[str, float]]
    not_made: list[str]
    parts: list[ClaimRow]
    findings: list[FindingRow]


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def folders_below(workdir: Path) -> list[Path]:
    """The folders in a workdir that hold findings of their own: those of a sweep's seeds."""
    return sorted(path.parent for path in workdir.glob(f"*/{NAME}"))


def write(workdir: Path, table: FindingsTable) -> Path:
    """Writes the table."""
    return files.write_json(path_of(workdir), table)


def read_made_from(workdir: Path) -> str | None:
    """The hash of what the table there depends on; None where there is none.

    Raises:
      FileError: it is damaged.
    """
    return files.read_json(path_of(workdir), {}, remedy=f"delete it and {_REMEDY}").get("made_from")


def read(workdir: Path) -> FindingsTable | None:
    """The table; None where there is none.

    Raises:
      FileError: the file is damaged, or is of other types than `write` writes.
    """
    path = path_of(workdir)
    table = files.read_json(path, remedy=_REMEDY)
    if table is not None:
        with files.reading(path, f"the table of the findings; {_REMEDY}"):
            _check(table)
    return table


def need(workdir: Path) -> FindingsTable:
    """The table of a workdir that must have one.

    Raises:
      FileNotFoundError: there is none.
      FileError: it is damaged.
    """
    table = read(workdir)
    if table is None:
        raise FileNotFoundError(f"{workdir} holds no findings: {_REMEDY}")
    return table


def _check(table: Mapping[str, Any]) -> None:
    """Raises ValueError or KeyError where an entry is missing or of another type."""
    counts = [table["clips"], table["recordings"], *table["seeds"]]
    options = table["options"]["findings"]
    _each(_is_count, [*counts, options["untrained"], options["replicates"]], "a whole number")
    _each(lambda value: value in PERMUTED, [table["permuted"]], f"one of {', '.join(PERMUTED)}")
    _each(_is_text, table["not_made"], "text")
    for seen in table.get("grid", {}).values():
        _each(_is_number, [seen["harmonic"], seen["percussive"]], "a number")
    for details in table["details"].values():
        _check_details(details)
    for claim in table["parts"]:
        _check_claim(claim)
        if claim["part"] not in table["details"]:
            raise ValueError(f"expected details of {claim['part']}, found none")
    for finding in table["findings"]:
        _each(_is_count, [finding["finding"]], "a whole number")
        _each(_is_text, [finding["title"], finding["short"]], "text")
        _each(_is_number, [finding["p"]], "a number")
        for question, verdict in finding["answers"].items():
            _check_answer(question, verdict)


def _check_claim(claim: Mapping[str, Any]) -> None:
    _each(_is_count, [claim["finding"]], "a whole number")
    _each(_is_text, [claim[name] for name in ("part", "title", "score")], "text")
    _each(_is_number, [claim["p"]], "a number")
    for question, answer in claim["answers"].items():
        _check_answer(question, answer["verdict"])
        _each(_is_text, [answer["control"]], "text")
        _each(_is_number, [answer[name] for name in ("effect", "low", "high")], "a number")
        _each(_is_number, answer["effects"], "a number")
    for scores in [claim["scores"]["trained"], *claim["scores"].values()]:
        _each(_is_number, [scores["value"], scores["low"], scores["high"], *scores["seeds"]], "a number")
        _each(_is_number, [value for members in scores["members"] for value in members], "a number")
        _each(_is_count, [scores.get("undefined", 0)], "a whole number")
        if not scores["members"]:
            raise ValueError("expected the networks of at least one seed, found none")


def _check_details(details: Mapping[str, Any]) -> None:
    _each(_is_text, [details["layer"], details["row"]], "text")
    _each(_is_count, [details["neuron"], details.get("units", 0)], "a whole number")
    numbers = [details["chosen_in"], 0.0 if details["ridge"] is None else details["ridge"]]
    numbers += [details.get(name, 0.0) for name in ("eta2_neuron", "eta2_feature")]
    by_layer = [*details["share_above"].values(), *details.get("stability", {}).values()]
    _each(_is_number, numbers + by_layer, "a number")


def _check_answer(question: Any, verdict: Any) -> None:
    _each(lambda value: value in QUESTIONS, [question], f"one of {', '.join(QUESTIONS)}")
    _each(lambda value: value in VERDICTS, [verdict], f"one of {', '.join(VERDICTS)}")


def _each(fits: Callable[[Any], bool], values: Any, expected: str) -> None:
    if not isinstance(values, list):
        raise ValueError(f"expected a list, got {values!r:.40}")
    for value in values:
        if not fits(value):
            raise ValueError(f"expected {expected}, got {value!r:.40}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold; NaN is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(float(value)) >= 0 or math.isnan(value)  # float() refuses an integer that is too large
