"""Which metrics a caller asks for: a name, a name with options as on the command line, or several of them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actjax import lookup
from actjax.types import Metric


class Chosen(NamedTuple):
    """A metric, and which of its options the caller gave by name."""

    metric: Metric
    set_options: frozenset[str] = frozenset()


def chosen(metric: Any, hyper: Mapping[str, Any]) -> tuple[dict[str, Chosen], bool]:
    """({spec: what it names}, True if one metric was asked for and not a list).

    Raises:
      ValueError: something else than a spec, a Metric, or a sequence of these; one of them twice; options
        both in a spec and as keywords, or as keywords for several metrics.
      UnknownNameError: no such metric or option.
    """
    if isinstance(metric, Metric):
        if hyper:
            raise ValueError(
                f"expected options with a metric's name only, got {', '.join(hyper)} with a Metric"
            )
        return {metric.name: Chosen(metric)}, True
    if isinstance(metric, str):
        # A bare name, as most are, need not be parsed.
        named = [(metric, {})] if metric in lookup.names("metric") else lookup.parse_specs(metric)
        specs = [(lookup.format_spec(name, options), name, options) for name, options in named]
        single = len(specs) == 1
    elif isinstance(metric, Sequence) and all(isinstance(item, str | Metric) for item in metric):
        specs, single = [_item(item) for item in metric], False
    else:
        kind = type(metric).__name__
        raise ValueError(f"expected a metric's name, a list of names or a Metric, got {kind}")
    if not specs:
        raise ValueError("expected at least one metric, got none")
    if hyper and not single:
        raise ValueError(
            f"expected options as keywords with one metric, got {', '.join(hyper)} with {len(specs)}; "
            "write them as 'name(option=value)'"
        )
    by_spec = {}
    for spec, name, options in specs:
        if spec in by_spec:
            raise ValueError(f"expected each metric once, got {spec} twice")
        if options and hyper:
            raise ValueError(f"expected options in {spec!r} or as keywords, got {', '.join(hyper)} beside it")
        options = dict(hyper) or options
        metric = name if isinstance(name, Metric) else make_metric(name, **options)
        by_spec[spec] = Chosen(metric, frozenset(options))
    return by_spec, single


def make_metric(name: str, **hyper: Any) -> Metric:
    """The metric `name`; the same object for the same options, so that nothing is compiled twice.

    Raises:
      UnknownNameError: no such metric or option.
    """
    try:
        return _cached_metric(name, tuple(sorted(hyper.items())))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return lookup.load("metric", name, **hyper)


def with_folds(one: Chosen, folds: int) -> Metric:
    """The metric for the number of folds that the caller's fold ids make; 0 where none were given.

    Raises:
      ValueError: an option asks for another number of folds, or the metric takes no so few.
    """
    metric = one.metric
    asked = metric.options.get("folds")
    if not folds or asked is None or asked == folds or metric.name not in lookup.names("metric"):
        return metric
    if "folds" in one.set_options:
        raise ValueError(f"expected folds of {asked} ids as {metric.name}(folds={asked}) asks, got {folds}")
    return make_metric(metric.name, **{**metric.options, "folds": folds})


def _item(item: str | Metric) -> tuple[str, Any, dict[str, Any]]:
    if isinstance(item, Metric):
        return item.name, item, {}
    specs = lookup.parse_specs(item)
    if len(specs) != 1:
        raise ValueError(f"expected one metric in each item of a list, got {item!r}")
    return item, *specs[0]


@functools.cache
def _cached_metric(name: str, hyper: tuple[tuple[str, Any], ...]) -> Metric:
    return lookup.load("metric", name, **dict(hyper))
