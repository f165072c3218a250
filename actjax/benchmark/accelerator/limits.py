"""The least time that a row could take on the device, from what the device was measured to do at most."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actjax.benchmark.accelerator import ceilings


class Limit(NamedTuple):
    """The least milliseconds, and what sets them."""

    ms: float
    what: str


def rates(lines: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, float]:
    """Name of each ceiling that was measured -> its rate."""
    return {
        row: line["rate"]
        for (section, row), line in lines.items()
        if section == ceilings.SECTION.name and "rate" in line
    }


def of_row(line: Mapping[str, Any], measured: Mapping[str, float]) -> Limit | None:
    """The largest of the least times that copies, products, sorts and the bus set; None without any."""
    known = [*_memory(line, measured), *_bus(line, measured), *_product(line, measured)]
    if (keys := line.get("sorted_keys")) and ceilings.SORT in measured:
        known.append(Limit(1e-6 * keys / measured[ceilings.SORT], "sort"))
    return max(known, default=None)


def _memory(line: Mapping[str, Any], measured: Mapping[str, float]) -> Sequence[Limit]:
    amount = line.get("memory_bytes")
    if not amount or ceilings.COPY not in measured:
        return []
    return [Limit(1e-6 * amount / measured[ceilings.COPY], "copy")]


def _bus(line: Mapping[str, Any], measured: Mapping[str, float]) -> Sequence[Limit]:
    ways = [ceilings.TO_DEVICE, ceilings.TO_HOST]
    amounts = line.get("bus_bytes", (0.0, 0.0))
    if not any(amounts) or not all(way in measured for way in ways):
        return []
    spent = [1e-6 * amount / measured[way] for way, amount in zip(ways, amounts, strict=True)]
    return [Limit(sum(spent), "bus")]


def _product(line: Mapping[str, Any], measured: Mapping[str, float]) -> Sequence[Limit]:
    """The faster of one product in float32 and of the products in half precision that are as good."""
    operations, count = line.get("operations"), line.get("half_products", 3)
    if not operations:
        return []
    ways = []
    if "float32 product" in measured:
        ways.append(Limit(1e-9 * operations / measured["float32 product"], "float32 product"))
    if "bfloat16 product" in measured:
        what = "bfloat16 product" if count == 1 else f"{count} bfloat16 products"
        ways.append(Limit(1e-9 * count * operations / measured["bfloat16 product"], what))
    return [min(ways)] if ways else []
