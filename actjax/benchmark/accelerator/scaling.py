"""The section of the picture: seconds against pairs, at the speed benchmark's shapes."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from actjax.benchmark import timing
from actjax.benchmark.accelerator.rows import Build, Measured, Section
from actjax.benchmark.accelerator.sides import Shape, free, normal
from actjax.benchmark.speed import cases

OBSERVATIONS = 1000
# Powers of ten of pairs, for each line. Each point is a program to compile, so the dear ones have few.
LINES: Mapping[str, Sequence[int]] = {
    cases.PRODUCT: (3, 5, 7, 9),
    "pearson": (3, 5, 7, 9),
    "spearman": (5, 7),
    "auc": (5, 7),
}


def rows(tiny: bool) -> Mapping[str, Build]:
    """Lines of the picture, shape by shape."""
    most = 3 if tiny else 9
    shapes = {exponent: cases.scaling_shape(exponent) for exponent in range(3, most + 1)}
    return {
        f"{line}, 10^{exponent} pairs": functools.partial(_point, line, Shape(*shape, OBSERVATIONS))
        for exponent, shape in shapes.items()
        for line, exponents in LINES.items()
        if exponent in exponents
    }


def points(lines: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, dict[float, float]]:
    """Line -> {pairs: seconds}, ascending, of the latest lines of results."""
    curves: dict[str, dict[float, float]] = {}
    for (section, _), line in lines.items():
        if section == SECTION.name and "pairs" in line:
            curves.setdefault(line["line"], {})[line["pairs"]] = line["ms"] / 1e3
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}


def _point(line: str, shape: Shape) -> Measured:
    free()
    x_no, y_ko = normal(shape)
    taken = timing.median(cases.scaling_work(line, x_no, y_ko))
    return {
        "shape": str(shape),
        "ms": 1e3 * taken.median_s,
        "runs": taken.runs,
        "first_s": taken.first_s,
        "operations": shape.operations,
        "memory_bytes": shape.least_bytes,
        "line": line,
        "pairs": shape.neurons * shape.rows,
    }


SECTION = Section("scaling", "Seconds against pairs", rows)
