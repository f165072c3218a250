"""One neuron of a run: its scores with every feature, their picture, and the clips that drive it."""

import dataclasses
import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actjax import lookup
from actjax.pages import style
from actjax.report.neurons import BAND
from actjax.results import strongest
from actjax.results.picture import Clip, Picture, Sounds
from actjax.scores.schema import codes

if TYPE_CHECKING:
    import pandas
    import pyarrow

ORDER = ("frame", "clip", "map")  # the view that is shown, if there are several


@dataclasses.dataclass(frozen=True)
class Unit:
    """A neuron; `Result.unit` gives it.

    Attributes:
      workdir, data_dir: of the run.
      network: "trained", "untrained" ...
      layer, neuron: its place.
      table: all scores of the run.
    """

    workdir: Path
    data_dir: str | None
    network: str
    layer: str
    neuron: int
    table: "pyarrow.Table" = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError unless the neuron was scored."""
        if not len(self._rows):
            raise ValueError(
                f"no scores of {self.network} {self.layer}, neuron {self.neuron}, in {self.workdir}"
            )

    @functools.cached_property
    def scores(self) -> "pandas.DataFrame":
        """Its scores with every feature row, in every view and metric."""
        lookup.package("pandas", "Unit.scores")
        return self._rows.to_pandas()

    def plot(self, view: str | None = None, metric: str | None = None) -> Picture:
        """Draws its strongest row of each feature, before what chance gives and the strongest control.

        Args:
          view, metric: which scores; the frame view's where there are some, and the first metric's.

        Raises:
          UnknownNameError: the neuron has none in this view or metric.
        """
        rows: Any = self.scores[self.scores.valid]
        for name, asked, order in (("view", view, ORDER), ("metric", metric, ())):
            known = tuple(dict.fromkeys(rows[name].astype(str)))
            chosen = asked or next((one for one in order if one in known), known[0] if known else "")
            if chosen not in known:
                raise lookup.UnknownNameError(
                    f"no scores of {name} {chosen!r} here; {lookup.suggest(chosen, known)}"
                )
            rows = rows[rows[name] == chosen]
        return _profile(f"{self.layer}, neuron {self.neuron}, {self.network}", rows)

    def clips(self, count: int = 6) -> list[Clip]:
        """The scored clips on which its mean activation is largest, largest first.

        The network runs over the clips once for each layer; the data set must be prepared.
        """
        values_bn = strongest.activations(self.workdir, self.data_dir, self.network, self.layer)
        order = np.argsort(-values_bn[:, self.neuron], kind="stable")[:count]
        return strongest.read_clips(self.workdir, self.data_dir, order, values_bn[order, self.neuron])

    def play(self, count: int = 6) -> Sounds:
        """Players for the clips that drive it most, where a notebook shows them."""
        return Sounds(f"{self.layer}, neuron {self.neuron}: what drives it most", self.clips(count))

    @functools.cached_property
    def _rows(self) -> "pyarrow.Table":
        table = self.table
        mine = table["neuron"].to_numpy() == self.neuron
        for name, value in (("network", self.network), ("layer", self.layer)):
            code, known = codes(table, name)
            mine &= np.asarray([one == value for one in known])[code]
        return table.take(np.flatnonzero(mine))


def _profile(title: str, rows: "pandas.DataFrame") -> Picture:
    """A bar for the strongest row of each feature, before its null's band and the control's score."""
    strongest_rows = rows.loc[rows.score.abs().groupby(rows.feature.astype(str)).idxmax()]
    shown = strongest_rows.sort_values("score", key=np.abs).reset_index(drop=True)
    names = [_row_title(row) for row in shown.itertuples()]
    with style.look():
        fig = style.figure(7.6, 1.5 + 0.3 * len(shown))
        height = fig.get_figheight()
        axes = fig.add_axes((0.34, 0.6 / height, 0.62, 1 - 1.55 / height))
        places = np.arange(len(shown))
        mean, half = shown.null_mean.to_numpy(), BAND * shown.null_std.to_numpy()
        axes.barh(places, 2 * half, left=mean - half, height=0.8, color=style.FAINT, label="chance, 95 %")
        axes.barh(places, shown.score, height=0.45, color=style.COLOURS["trained"], label="score")
        control = np.abs(shown.control_score.to_numpy()) * np.sign(shown.score.to_numpy())
        axes.plot(control, places, "D", color=style.COLOURS["untrained"], ms=5, label="strongest control")
        axes.axvline(0, color=style.MUTED, lw=0.8)
        axes.set_yticks(places, names)
        axes.set_xlabel("score")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, borderaxespad=0.2)
        first = shown.iloc[0]
        style.heading(
            fig, title, f"{first['view']} view, {first['metric']}: the strongest row of each feature"
        )
        out = io.BytesIO()
        fig.savefig(out, dpi=style.DPI, format="png")
    return Picture(out.getvalue())


def _row_title(row: Any) -> str:
    """The feature with its row's name, where there is one."""
    name = getattr(row, "row_name", None)
    return f"{row.feature} {name}" if isinstance(name, str) and name and row.row >= 0 else str(row.feature)
