"""How all pictures look: one palette (safe for colour-blind readers), one set of fonts, one way to save."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actjax import files

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, FAINT = "#1b2733", "#5f6b76", "#d9dee3"
# Okabe and Ito's palette: blue, vermillion, and grey for what is no network.
COLOURS = {"trained": "#0072B2", "untrained": "#D55E00", "input": "#6b7280"}
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DPI = 130
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#9aa4ae",
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # names of classes and files may hold dollar signs
}


def colour(network: str, networks: tuple[str, ...]) -> str:
    """The colour of a network in every picture."""
    if network in COLOURS:
        return COLOURS[network]
    return _OTHERS[[n for n in networks if n not in COLOURS].index(network) % len(_OTHERS)]


def marker(network: str) -> str:
    """The marker of a network, so that colour is not needed to tell them apart."""
    return {"trained": "o", "untrained": "s"}.get(network, "^")


def text_on(background: "Sequence[float] | np.ndarray") -> str:
    """Black or white, whichever is easier to read on a colour of red, green, blue (0 to 1).

    The contrast of the better of the two is at least 4.5 on any colour (W3C, "Web Content Accessibility
    Guidelines 2.1", relative luminance).
    """
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3])
    luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


@contextmanager
def look() -> Iterator[None]:
    """The style, within a `with` block; nothing global changes."""
    import matplotlib

    with matplotlib.rc_context(_RC):
        yield


def figure(width: float, height: float) -> "Figure":
    """An empty Figure of that many inches, drawn by Agg without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height))
    FigureCanvasAgg(result)
    return result


def axes_within(fig: "Figure", *, left: float, right: float, bottom: float, top: float) -> "Axes":
    """Axes that leave margins of that many inches."""
    width, height = fig.get_size_inches()
    wide, tall = width - left - right, height - bottom - top
    return fig.add_axes((left / width, bottom / height, wide / width, tall / height))


def heading(fig: "Figure", title: str, subtitle: str, left: float = 0.12) -> None:
    """Title and subtitle at the top left, at the same distance in inches in every picture."""
    height = fig.get_figheight()
    fig.text(left / fig.get_figwidth(), 1 - 0.12 / height, title, size=13, weight="bold", va="top")
    fig.text(left / fig.get_figwidth(), 1 - 0.42 / height, subtitle, size=9.5, color=MUTED, va="top")


def save(fig: "Figure", path: Path) -> Path:
    """Writes a PNG, whole or not at all."""
    with files.written_whole(path) as aside:
        fig.savefig(aside, dpi=DPI, format="png")
    return path
