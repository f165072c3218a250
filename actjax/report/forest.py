"""Draws the forest plot: the four findings' scores for every kind of network."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actjax.pages import style
from actjax.pages.numbers import interval, p_value, signed
from actjax.report import findings
from actjax.workdir.findings_table import (
    QUESTIONS,
    ClaimRow,
    FindingRow,
    FindingsTable,
    KindScores,
    UnitDetails,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# kind -> (name, colour, marker)
KINDS = {
    "trained": ("trained", "#0072B2", "o"),
    "untrained": ("untrained", "#D55E00", "s"),
    "shuffled": ("shuffled weights", "#009E73", "D"),
    "labels": ("trained on shuffled labels", "#a6761d", "P"),
    "rotated": ("rotated", "#CC79A7", "v"),
    "input": ("input", "#6b7280", "^"),
}
_RIDGE: dict[str, Any] = {"color": style.INK, "linewidth": 1.6, "linestyle": (0, (2, 1.2))}
_COLOURS = {"yes": "#00466e", "weakly": "#2f6a92", "less": "#a83a08", "no": "#55616c", "unknown": "#55616c"}
_WORDS = {"training": "training adds", "single": "single units add", "input": "over the input"}


def forest(table: FindingsTable, path: Path) -> Path:
    """Draws every claim's scores: networks with intervals, seeds or members as dots, all units together."""
    claims = table["parts"]
    kinds = [k for k in KINDS if any(k in p["scores"] for p in claims)]
    row = max(0.16 * len(kinds) + 0.22, 0.78)
    heads = len(table["findings"])
    top, bottom, gap = 0.98, 0.55, 0.34
    height = top + bottom + row * len(claims) + gap * heads
    width, left, right = 12.2, 2.75, 3.6
    with style.look():
        fig = style.figure(width, height)
        axes = style.axes_within(fig, left=left, right=right, bottom=bottom, top=top)
        y = 0.0
        for finding in table["findings"]:
            _head(axes, finding, y + gap / 2)
            y += gap
            for claim in (p for p in claims if p["finding"] == finding["finding"]):
                _row(axes, claim, table["details"][claim["part"]], kinds, y, row)
                y += row
        _frame(axes, y, claims, table)
        _legend(fig, kinds, left / width, 1 - 0.72 / height)
        style.heading(
            fig, "What does training add?", f"cross-fitted scores and 95 % intervals; {findings.marks(table)}"
        )
        return style.save(fig, path)


def _head(axes: "Axes", finding: FindingRow, y: float) -> None:
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    axes.text(-0.44, y, f"{finding['finding']}. {finding['title']}", weight="bold", size=10, **at)
    chance = finding["answers"]["chance"]
    text = f"above chance: {chance.upper()}, Holm p {p_value(finding['p'])}"
    axes.text(1.03, y, text, weight="bold", size=9.5, color=_COLOURS[chance], **at)


def _row(axes: "Axes", claim: ClaimRow, details: UnitDetails, kinds: list[str], y: float, row: float) -> None:
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    above, below = y + row / 2 - 0.08, y + row / 2 + 0.1
    axes.text(-0.42, above, claim["title"], size=9, **at)
    words = f"score: {claim['score']}; trained unit in {details['layer']}"
    axes.text(-0.42, below, words, size=7.5, color=style.MUTED, **at)
    answers = [(q, claim["answers"][q]) for q in QUESTIONS[1:] if q in claim["answers"]]
    for i, (question, answer) in enumerate(answers):
        ends = interval(answer["low"], answer["high"]) or "no interval"
        words = f"{_WORDS[question]}: {answer['verdict']}, {signed(answer['effect'])} ({ends})"
        place = y + row / 2 + 0.2 * (i - (len(answers) - 1) / 2)
        axes.text(1.03, place, words, size=8.5, color=_COLOURS[answer["verdict"]], **at)
    axes.axhspan(y + 0.03, y + row - 0.03, color="#f6f7f9", zorder=0)
    ridge = details["ridge"]
    if ridge is not None and np.isfinite(ridge):
        axes.plot([abs(ridge)] * 2, [y + 0.05, y + row - 0.05], **_RIDGE)
    for i, kind in enumerate(kinds):
        if kind in claim["scores"]:
            _scores(axes, claim["scores"][kind], kind, y + 0.19 + 0.16 * i)


def _scores(axes: "Axes", score: KindScores, kind: str, y: float) -> None:
    """The score of one kind of network with its interval, and its networks or seeds as dots."""
    _, colour, marker = KINDS[kind]
    members = score["seeds"] if len(score["seeds"]) > 1 else score["members"][0]
    if len(members) > 1:
        axes.plot(members, [y] * len(members), ".", color=colour, alpha=0.35, markersize=4, zorder=2)
    axes.plot([score["low"], score["high"]], [y, y], color=colour, linewidth=1.8, zorder=3)
    axes.plot([score["value"]], [y], marker, color=colour, markersize=5.5, zorder=4)


def _frame(axes: "Axes", bottom: float, claims: Sequence[ClaimRow], table: FindingsTable) -> None:
    scores = [score for claim in claims for score in claim["scores"].values()]
    values = [score["low"] for score in scores] + [score["high"] for score in scores]
    of_all_units = [details["ridge"] for details in table["details"].values()]
    values += [abs(score) for score in of_all_units if score is not None]
    values = [v for v in values if np.isfinite(v)] or [0.0, 1.0]
    axes.set_xlim(min(-0.05, min(values) - 0.03), max(values) + 0.04)
    axes.set_ylim(bottom, 0.0)
    axes.axvline(0.0, color="#9aa4ae", linewidth=0.9, zorder=1)
    axes.set_yticks([])
    axes.grid(axis="x", zorder=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("score on the half of the recordings that did not choose the unit")


def _legend(fig: "Figure", kinds: list[str], x: float, y: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=KINDS[k][1], marker=KINDS[k][2], markersize=5.5, linewidth=1.8, label=KINDS[k][0]
        )
        for k in kinds
    ]
    handles.append(Line2D([], [], label="all units together (ridge)", **_RIDGE))
    handles.append(
        Line2D(
            [],
            [],
            color=style.MUTED,
            marker=".",
            linewidth=0,
            label="initialisations, shuffles, rotations, seeds",
        )
    )
    place = {"loc": "center left", "bbox_to_anchor": (x - 0.01, y), "ncols": len(handles)}
    fig.legend(handles=handles, fontsize=8.5, columnspacing=1.2, handletextpad=0.5, **place)
