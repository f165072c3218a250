"""The forest plot: the four findings' scores for every kind of network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax.pages import style
from actjax.report import findings

# kind -> (name, colour, marker)
KINDS = {
    "trained": ("trained", "#0072B2", "o"),
    "untrained": ("untrained", "#D55E00", "s"),
    "shuffled": ("shuffled weights", "#009E73", "D"),
    "labels": ("trained on shuffled labels", "#a6761d", "P"),
    "rotated": ("rotated", "#CC79A7", "v"),
    "input": ("input", "#6b7280", "^"),
}
_COLOURS = {"holds": "#00466e", "weakly": "#3b78a0", "reversed": "#b3400a", "does not hold": "#5f6b76"}


def forest(table: Mapping[str, Any], path: Path) -> Path:
    """Draws every part's scores: networks and their intervals, seeds or members as dots, the ceiling."""
    parts = table["parts"]
    kinds = [k for k in KINDS if any(k in p["scores"] for p in parts)]
    row = 0.16 * len(kinds) + 0.22
    heads = len(table["findings"])
    top, bottom, gap = 0.98, 0.55, 0.34
    height = top + bottom + row * len(parts) + gap * heads
    width, left, right = 11.6, 2.75, 3.0
    with style.look():
        fig = style.figure(width, height)
        box = (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - top - bottom) / height,
        )
        axes = fig.add_axes(box)
        y = 0.0
        for found in table["findings"]:
            _head(axes, found, y + gap / 2)
            y += gap
            for part in (p for p in parts if p["finding"] == found["finding"]):
                _row(axes, part, table["details"][part["part"]], kinds, y, row)
                y += row
        _frame(axes, y, parts, table)
        _legend(fig, kinds, left / width, 1 - 0.72 / height)
        style.heading(
            fig, "What does training add?", f"cross-fitted scores and 95 % intervals; {findings.marks(table)}"
        )
        return style.save(fig, path)


def _head(axes: Any, found: Mapping[str, Any], y: float) -> None:
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    axes.text(-0.44, y, f"{found['finding']}. {found['title']}", weight="bold", size=10, **at)
    colour = _COLOURS[found["verdict"]]
    text = f"{found['verdict'].upper()}   Holm p {findings.p_value(found['p'])}"
    axes.text(1.03, y, text, weight="bold", size=9.5, color=colour, **at)


def _row(
    axes: Any, part: Mapping[str, Any], about: Mapping[str, Any], kinds: list[str], y: float, row: float
):
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    words, unit = part["title"], part["score"]
    axes.text(-0.42, y + row / 2 - 0.08, words, size=9, **at)
    axes.text(
        -0.42,
        y + row / 2 + 0.1,
        f"score: {unit}; trained unit in {about['layer']}",
        size=7.5,
        color=style.MUTED,
        **at,
    )
    effect, low, high = (findings.number(part[name]) for name in ("effect", "low", "high"))
    effect = f"{effect} [{low}, {high}] over {part['control']}"
    axes.text(1.03, y + row / 2 - 0.08, effect, size=9, **at)
    axes.text(
        1.03,
        y + row / 2 + 0.1,
        f"{part['verdict']}, p {findings.p_value(part['p'])}",
        size=8.5,
        color=_COLOURS[part["verdict"]],
        **at,
    )
    axes.axhspan(y + 0.03, y + row - 0.03, color="#f6f7f9", zorder=0)
    ridge = about["ridge"]
    if ridge is not None and np.isfinite(ridge):
        axes.plot(
            [abs(ridge)] * 2,
            [y + 0.05, y + row - 0.05],
            color=style.INK,
            linewidth=1.6,
            linestyle=(0, (2, 1.2)),
        )
    for i, kind in enumerate(kinds):
        if kind not in part["scores"]:
            continue
        score, (_, colour, marker) = part["scores"][kind], KINDS[kind]
        line = y + 0.19 + 0.16 * i
        members = score["seeds"] if len(score["seeds"]) > 1 else score["members"][0]
        if len(members) > 1:
            axes.plot(members, [line] * len(members), ".", color=colour, alpha=0.35, markersize=4, zorder=2)
        axes.plot([score["low"], score["high"]], [line, line], color=colour, linewidth=1.8, zorder=3)
        axes.plot([score["value"]], [line], marker, color=colour, markersize=5.5, zorder=4)


def _frame(axes: Any, bottom: float, parts: Any, table: Mapping[str, Any]) -> None:
    values = [s[end] for p in parts for s in p["scores"].values() for end in ("low", "high")]
    values += [abs(about["ridge"]) for about in table["details"].values() if about["ridge"] is not None]
    values = [v for v in values if np.isfinite(v)] or [0.0, 1.0]
    axes.set_xlim(min(-0.05, min(values) - 0.03), max(values) + 0.04)
    axes.set_ylim(bottom, 0.0)
    axes.axvline(0.0, color="#9aa4ae", linewidth=0.9, zorder=1)
    axes.set_yticks([])
    axes.grid(axis="x", zorder=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("score on the half of the recordings that did not choose the unit")


def _legend(fig: Any, kinds: list[str], x: float, y: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=KINDS[k][1], marker=KINDS[k][2], markersize=5.5, linewidth=1.8, label=KINDS[k][0]
        )
        for k in kinds
    ]
    handles.append(
        Line2D([], [], color=style.INK, linewidth=1.6, linestyle=(0, (2, 1.2)), label="ridge ceiling")
    )
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
