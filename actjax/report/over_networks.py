"""What the networks of a sweep have in common: which features are followed in how many of them."""

from typing import TYPE_CHECKING

from actjax.pages.markup import Markup, join, section, tag
from actjax.pages.numbers import UNDEFINED, number
from actjax.pages.table import Table
from actjax.report.summary import UNTRAINED

if TYPE_CHECKING:
    import pyarrow

TITLE = "Followed in how many networks"
TRAINED, LEVEL = "trained", 0.05
_NOTE = (
    "Networks: in how many of the {count} ({names}) at least one unit has a p-value below {level}, by "
    "max-T over all of them together: the units of a layer, all rows of all features, in all networks. In "
    "brackets what each network's own table says, where p is corrected over that network alone. "
    "Pairs: the share of the pairs of a unit and a row of the feature with such a p, on average over the "
    "networks. Strongest: the largest |score| of each network, from the smallest to the largest of them."
)
_GROUP = ("view", "metric", "feature")


def tables(tests: "pyarrow.Table") -> list[Table]:
    """A table a group of networks; a row for each view, metric and feature."""
    import pyarrow.compute as pc

    return [_table(tests.filter(pc.field("group") == group)) for group in tests["group"].unique().to_pylist()]


def part_of_page(tests: "pyarrow.Table | None") -> Markup:
    """The section of a sweep's page; empty where nothing is tested."""
    if tests is None:
        return join()
    body = [join(tag("p", one.note, class_="note"), one.html()) for one in tables(tests)]
    return section(TITLE, *body)


def _table(tests: "pyarrow.Table") -> Table:
    by_network = _by_network(tests)
    variants = sorted({key[0] for key in by_network})
    columns = [("view", "<"), ("metric", "<"), ("feature", "<")]
    networks = [name for name in (TRAINED, UNTRAINED) if any(key[1] == name for key in by_network)]
    for name in networks:
        columns += [(f"{name}: networks", ">"), ("pairs", ">"), ("strongest", ">")]
    rows = []
    for place in sorted({key[2:] for key in by_network}):
        cells = []
        for name in networks:
            of = [by_network[v, name, *place] for v in variants if (v, name, *place) in by_network]
            cells += _cells(of, len(variants)) if of else [UNDEFINED] * 3
        rows.append((*place, *cells))
    note = _NOTE.format(count=len(variants), names=", ".join(variants), level=LEVEL)
    return Table(TITLE, tuple(columns), rows, note)


def _cells(of: "list[dict[str, float]]", count: int) -> list[str]:
    together = sum(one["group_p_maxt"] < LEVEL for one in of)
    alone = sum(one["p_maxt"] < LEVEL for one in of)
    share = sum(one["share"] for one in of) / len(of)
    strengths = [one["strength"] for one in of]
    return [
        f"{together} of {count} ({alone})",
        number(share),
        f"{number(min(strengths))} to {number(max(strengths))}",
    ]


def _by_network(tests: "pyarrow.Table") -> dict[tuple[str, ...], dict[str, float]]:
    """(variant, network, view, metric, feature) -> smallest p-values, share of them, largest |score|."""
    import pyarrow as pa
    import pyarrow.compute as pc

    small = pc.call_function("less", [tests["group_p_maxt"], pa.scalar(LEVEL)]).cast(pa.float32())
    keys = ["variant", "network", *_GROUP]
    asked = tests.select([*keys, "group_p_maxt", "p_maxt"])
    asked = asked.append_column("share", small).append_column(
        "strength", pc.call_function("abs", [tests["score"]])
    )
    functions = {"group_p_maxt": "min", "p_maxt": "min", "share": "mean", "strength": "max"}
    grouped = asked.group_by(keys).aggregate(list(functions.items())).to_pylist()
    return {
        tuple(row[key] for key in keys): {name: row[f"{name}_{of}"] for name, of in functions.items()}
        for row in grouped
    }
