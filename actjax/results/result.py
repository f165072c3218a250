"""A run's results: its table of scores, its neurons, its pictures and its page."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actjax import lookup
from actjax.pages.markup import Markup, join, tag
from actjax.report import neurons
from actjax.report.summary import Summary, summarise
from actjax.results.picture import Picture
from actjax.results.unit import Unit
from actjax.scores.files import load_scores
from actjax.workdir import evaluation_record, recorded_config

if TYPE_CHECKING:
    import pandas
    import pyarrow

# Columns of `Result.best`, by the field of `neurons.Best` that they hold.
BEST = ("feature", "row_name", "unit", "score", "null_mean", "null_low", "null_high", "p_maxt")
CONTROLS = ("untrained", "input", "gain", "gain_low", "gain_high", "announced")


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run left in its workdir; `actjax.run` and `actjax.load_run` give it.

    A notebook shows it as its strongest neurons with a link to the report.

    Attributes:
      workdir: the run's folder.
      data_dir: where its prepared data set lives; TFDS's default when None.
    """

    workdir: Path
    data_dir: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The options of the run by their names: {"train.steps": 800, ...}."""
        return recorded_config.latest(self.workdir)

    @functools.cached_property
    def table(self) -> "pyarrow.Table":
        """All scores as a pyarrow Table, one row per neuron, feature row, view and metric."""
        return load_scores(self.workdir)

    @functools.cached_property
    def scores(self) -> "pandas.DataFrame":
        """All scores as a pandas DataFrame, the same rows.

        Raises:
          ModuleNotFoundError: pandas is not installed; names the extra that brings it.
        """
        lookup.package("pandas", "Result.scores")
        return self.table.to_pandas()

    @property
    def page(self) -> Path:
        """The report's page, to be opened in a browser.

        Raises:
          FileNotFoundError: the report was not built.
        """
        path = self.workdir / "report" / "index.html"
        if not path.exists():
            raise FileNotFoundError(f"no report in {self.workdir}: run the stage report")
        return path

    @property
    def atlas(self) -> Path:
        """The atlas's page, to be opened in a browser.

        Raises:
          FileNotFoundError: the atlas was not made.
        """
        path = self.workdir / "report" / "atlas" / "index.html"
        if not path.exists():
            raise FileNotFoundError(f"no atlas in {self.workdir}: run the stage atlas")
        return path

    @functools.cached_property
    def summary(self) -> Summary:
        """The scores, grouped."""
        return summarise(self.table)

    def best(self, count: int | None = 20) -> "pandas.DataFrame":
        """The neurons with what each follows beyond the controls, the largest gain over them first.

        Args:
          count: how many neurons; None for all.

        Returns:
          One row per neuron: its layer and number, the view, the feature with its row and unit, the score,
          what chance gives (null_mean, the central 95 % from null_low to null_high, p_maxt), the strongest
          untrained unit and the input for the same row, the gain over the stronger of both with its 95 %
          interval, and whether the report announces it. A neuron that is constant follows nothing: its names
          are empty and its numbers NaN.
        """
        pandas = lookup.package("pandas", "Result.best")
        best, summary = neurons.best_of_neurons(self.table, self.summary), self.summary
        order = best.by_gain()[:count]
        columns: dict[str, Any] = {
            "layer": [summary.layers[i] for i in best.layer[order]],
            "neuron": best.neuron[order],
            "view": [summary.sets[i].view if i >= 0 else "" for i in best.set[order]],
            "metric": [summary.sets[i].metric if i >= 0 else "" for i in best.set[order]],
        }
        columns |= {name: getattr(best, name)[order] for name in (*BEST, *CONTROLS)}
        return pandas.DataFrame(columns)

    def unit(self, layer: str, neuron: int, network: str | None = None) -> Unit:
        """One neuron: its scores, its profile, the clips that drive it most.

        Args:
          layer: its layer's name.
          neuron: its number in the layer.
          network: "trained" where there is one, else the run's first.

        Raises:
          UnknownNameError: no such network or layer.
          ValueError: no such neuron.
        """
        chosen = network or self.summary.main
        for what, name, known in (
            ("network", chosen, self.summary.networks),
            ("layer", layer, self._layers(chosen)),
        ):
            if name not in known:
                raise lookup.UnknownNameError(
                    f"no {what} {name!r} in {self.workdir}; {lookup.suggest(name, known)}"
                )
        return Unit(self.workdir, self.data_dir, chosen, layer, neuron, self.table)

    def plot(self, name: str = "heat") -> Picture:
        """A picture of the report, by the beginning of its file's name: heat, depth, maps, training ...

        Raises:
          UnknownNameError: the report has no such picture.
        """
        pictures = sorted(self.page.parent.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
        chosen = next((path for path in pictures if path.stem.startswith(name)), None)
        if chosen is None:
            known = tuple(path.stem for path in pictures)
            raise lookup.UnknownNameError(
                f"no picture {name!r} in {self.page.parent}; {lookup.suggest(name, known)}"
            )
        return Picture(chosen.read_bytes())

    def _layers(self, network: str) -> tuple[str, ...]:
        """The layers that a network has scores in."""
        known = self.summary.network(network)
        return () if known is None else tuple(self.summary.layers[i] for i in self.summary.layers_of(known))

    def _repr_html_(self) -> Markup:
        """What a notebook shows: how good the network is, its strongest neurons, where the page is."""
        evaluation = evaluation_record.read(self.workdir)
        said = []
        if evaluation is not None:
            value, name, clips = evaluation.quality()
            said.append(f"{name} {value:.3f} on {clips}; ")
        said.append(f"{len(self.table):,} scores")
        columns = ["layer", "neuron", "feature", "row_name", "score", "p_maxt", "untrained", "input", "gain"]
        best = self.best(10)[columns].round(3)
        head = tag("tr", *(tag("th", name) for name in columns))
        body = [tag("tr", *(tag("td", str(value)) for value in row)) for row in best.itertuples(index=False)]
        link = self.page.resolve().as_uri() if (self.workdir / "report" / "index.html").exists() else ""
        return join(
            tag("p", tag("b", f"actjax: {self.workdir}"), " · ", *said),
            tag("table", tag("thead", head), tag("tbody", *body)),
            tag("p", tag("a", "the report", href=link)) if link else "",
        )
