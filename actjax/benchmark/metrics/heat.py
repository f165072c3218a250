"""Draw a table of numbers on colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.pages import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Shading(NamedTuple):
    """How numbers become colours.

    Attributes:
      colours: matplotlib's name of the map.
      low, high: the numbers at its ends; `low` 0 for a map from white, else one with white in its middle.
      digits: after the point.
    """

    colours: str
    low: float
    high: float
    digits: int = 2

    def is_dark(self, value: float) -> bool:
        """Whether the colour of the number is so strong that it wants white text."""
        reach = (self.high - self.low) / 2
        from_middle = (value - (self.low + self.high) / 2) / reach
        return from_middle > 0.3 if self.low == 0 else abs(from_middle) > 0.6

    def text(self, value: float) -> str:
        """The number, without the 0 before its point."""
        text = f"{value:.{self.digits}f}"
        return text.replace("0.", ".", 1) if abs(value) < 1 else text


def draw(
    axes: "Axes",
    values: np.ndarray,
    rows: Sequence[str] | None,
    columns: Sequence[str],
    shading: Shading,
    turned: bool = True,
) -> None:
    """Draws values [row, column] with their names; what is undefined is hatched.

    Args:
      axes: to draw on.
      values: NaN where undefined.
      rows: names on the left, or None for none.
      columns: names on top.
      shading: of the cells.
      turned: slants the columns' names.
    """
    axes.set_facecolor("#eceff2")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("#c4cad0")
    masked = np.ma.masked_invalid(values)
    axes.imshow(masked, cmap=shading.colours, vmin=shading.low, vmax=shading.high, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if shading.is_dark(value) else style.INK
            axes.text(j, i, shading.text(value), ha="center", va="center", size=7, color=colour)
    axes.set_yticks(range(values.shape[0]), [""] * values.shape[0] if rows is None else rows)
    slant = {"rotation": 45, "ha": "left"} if turned else {"rotation": 0, "ha": "center"}
    axes.set_xticks(range(values.shape[1]), columns, **slant)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
