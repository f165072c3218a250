"""A table for the console, as Markdown and for a page: one `Table`, three renderings."""

import dataclasses
import textwrap
from collections.abc import Sequence

import numpy as np

from actjax.pages.markup import Markup, tag
from actjax.pages.rows import grid

WIDTH = 110


@dataclasses.dataclass(frozen=True)
class Table:
    """A titled table; cells are text already.

    Attributes:
      columns: (heading, "<" or ">") each.
      note: one sentence below the title.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def text(self, width: int = WIDTH) -> str:
        """Aligned columns, never wider than `width`: the widest text column gives way."""
        cells = [tuple(name for name, _ in self.columns), *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        while sum(widths) + 2 * (len(widths) - 1) > width:
            widths[int(np.argmax(widths))] -= 1
        lines = [
            "  ".join(_fit(*cell) for cell in zip(row, widths, self._sides(), strict=True)) for row in cells
        ]
        rule = "  ".join("-" * w for w in widths)
        head = [_fit(self.title, min(len(self.title), width), "<")]
        head += textwrap.wrap(self.note, width) if self.note else []
        return "\n".join(line.rstrip() for line in [*head, "", lines[0], rule, *lines[1:]]) + "\n"

    def markdown(self) -> str:
        """A heading and a Markdown table."""
        table = grid((name for name, _ in self.columns), self.rows, self._sides())
        return f"## {self.title}\n\n" + (f"{self.note}\n\n" if self.note else "") + table + "\n"

    def html(self) -> Markup:
        """A table element; the title and note are left to the page."""

        def row(cells: Sequence[str], name: str) -> Markup:
            inside = zip(cells, self._sides(), strict=True)
            return tag("tr", *(tag(name, c, class_="n" if side == ">" else "t") for c, side in inside))

        head = tag("thead", row([name for name, _ in self.columns], "th"))
        body = tag("tbody", *(row(cells, "td") for cells in self.rows))
        # A keyboard scrolls what it can stand on.
        attributes = {"class_": "scroll", "tabindex": "0", "role": "region", "aria-label": self.title}
        return tag("div", tag("table", head, body), **attributes)

    def _sides(self) -> list[str]:
        return [side for _, side in self.columns]


def _fit(cell: str, width: int, side: str) -> str:
    if len(cell) > width:
        cell = cell[: width - 1] + "…"
    return f"{cell:{side}{width}}"
