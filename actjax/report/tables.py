"""The tables of a report: best units of features and layers, the confusion, what was left out."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from actjax.pages.numbers import interval, signed
from actjax.pages.table import Table
from actjax.report.neuron_table import neuron_table
from actjax.report.neurons import Best
from actjax.report.summary import INPUT, UNTRAINED, Summary
from actjax.report.verdicts import verdict
from actjax.report.workdir_files import Material
from actjax.workdir.evaluation_record import Evaluation

_LONGEST_LIST = 20
_MOST_CLASSES = 14
# Of the table of neurons: what it follows most of all, and its class.
_LEFT_TO_THE_PAGE = 2
_MOST_NEURONS = 10  # of which a line is printed


def feature_table(summary: Summary, score_set: int) -> Table:
    """For each feature the best trained unit, the controls' best, and what that proves."""
    rows = []
    for f in summary.features_of(score_set):
        v = verdict(summary, score_set, f)
        where = _unit(summary, v.trained)
        best, *controls = (_score(summary, i) for i in (v.trained, v.untrained, v.input))
        rows.append((summary.features[f], *where, best, _interval(summary, v.trained), *controls, v.words))
    columns = [("feature", "<"), ("layer", "<"), ("neuron", ">"), ("row", ">"), (summary.main, ">")]
    columns += [("95 %", ">"), (UNTRAINED, ">"), (INPUT, ">"), ("what it shows", "<")]
    note = f"Each network's best unit in any layer; place and 95 % interval are the {summary.main} one's."
    return Table(f"Best units per feature: {summary.sets[score_set].title}", tuple(columns), rows, note)


def layer_table(summary: Summary, score_set: int) -> Table:
    """For each layer the feature that one of its units comes closest to, trained beside untrained."""
    main, untrained, bands = (summary.network(name) for name in (summary.main, UNTRAINED, INPUT))
    of_input = [] if bands is None else summary.layers_of(bands, score_set)
    shown = {n: summary.layers_of(n, score_set) for n in (main, untrained, bands) if n is not None}
    rows = []
    for layer in sorted(set().union(*shown.values())):
        cells = [summary.layers[layer], f"{summary.depths[layer]:.2f}"]
        for network in (bands, None) if layer in of_input else (main, untrained):
            cells += _best_in_layer(summary, score_set, network, layer)
        rows.append(tuple(cells))
    columns = [("layer", "<"), ("depth", ">")]
    for name in (summary.main, UNTRAINED):
        columns += [(f"{name}: feature", "<"), ("neuron", ">"), ("row", ">"), ("score", ">")]
    note = f"The {INPUT} itself stands in the first columns of its own line." if of_input else ""
    return Table(f"Best unit of each layer: {summary.sets[score_set].title}", tuple(columns), rows, note)


def undefined_table(summary: Summary) -> Table:
    """Where scores are undefined: constant, silent or too short inputs are never counted as 0."""
    rows = []
    for s, n, layer, f in np.argwhere(summary.spread.units > summary.spread.valid):
        units, valid = (int(a[s, n, layer, f]) for a in (summary.spread.units, summary.spread.valid))
        place = (summary.sets[s].title, summary.networks[n], summary.layers[layer], summary.features[f])
        rows.append((*place, str(units - valid), str(units)))
    names = ("scores", "network", "layer", "feature")
    columns = tuple((name, "<") for name in names) + (("undefined", ">"), ("of units", ">"))
    return Table("Units without a defined score", columns, rows, "Constant or too short; left out, not 0.")


def confusion_table(evaluation: Evaluation) -> Table:
    """Counts of clips, true class by predicted class."""
    names, counts = evaluation.class_names, evaluation.confusion
    value, name, clips = evaluation.quality()
    summary = f"{name[0].upper()}{name[1:]} {value:.3f} on {clips}"
    if len(names) > _MOST_CLASSES:
        return _mistaken_table(names, counts, summary)
    rows = [
        (name, *(str(c) if c else "." for c in line), _share(line[i], line.sum()))
        for i, (name, line) in enumerate(zip(names, counts, strict=True))
    ]
    columns = (("true class", "<"), *((s, ">") for s in _short(names)), ("recall", ">"))
    return Table("Confusion", columns, rows, f"{summary}; columns: predicted, in the same order.")


def skipped_table(material: Material) -> Table:
    """The clips that could not be used."""
    columns = (("clip", "<"), ("reason", "<"))
    if material.skipped is None:
        return Table("Skipped files", columns, [], "Not recorded here: --stage=data writes it.")
    count = len(material.skipped)
    note = f"{count} files left out." if count else "None: every file could be used."
    return Table("Skipped files", columns, list(material.skipped), note)


def left_out_table(material: Material) -> Table:
    """The comparisons that could not be made, and why; one row for each reason, layer and view."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for layer, view, feature, reason in material.left_out:
        grouped.setdefault((layer, view, reason), []).append(feature)
    rows = [(layer, view, ", ".join(names), reason) for (layer, view, reason), names in grouped.items()]
    count = len(material.left_out)
    note = f"{count} comparisons of a layer with a feature could not be made." if count else "None."
    columns = tuple((name, "<") for name in ("layer", "view", "features", "reason"))
    return Table("Comparisons left out", columns, rows, note)


def costs_table(material: Material) -> Table:
    """What each stage took, when it last wrote something."""

    def cell(value: object, form: str) -> str:
        return format(value, form) if isinstance(value, (int, float)) else ""

    rows = []
    for stage, cost in material.stages.items():
        of = cost.get("sections")
        sections = of if isinstance(of, dict) else {}
        within = [f"{name} {cell(s, '.1f')}" for name, s in sections.items() if cell(s, ".1f")]
        names = ("seconds", "compiling_seconds", "cpu_seconds", "peak_gib")
        forms = (",.1f", ",.1f", ",.1f", ".2f")
        numbers = (cell(cost.get(name), form) for name, form in zip(names, forms, strict=True))
        rows.append((stage, *numbers, ", ".join(within)))
    columns = [("stage", "<"), ("seconds", ">"), ("compiling", ">"), ("CPU", ">"), ("peak GiB", ">")]
    note = (
        "Seconds by the clock, of them compiling (of all threads, so that they may be more), and of all "
        "cores; the largest resident memory. The last time that the stage wrote something; this report's is "
        "not in."
    )
    return Table("What each stage took", (*columns, ("of it", "<")), rows, note)


def console(summary: Summary, material: Material, best: Best) -> str:
    """What is printed: the largest gains, each view's leading score set, the confusion, what was left out."""
    first = _narrow(neuron_table(best, summary, material.selectivity, _MOST_NEURONS))
    title = f"The {len(first.rows)} largest gains of {len(best.neuron)} neurons"
    texts = [dataclasses.replace(first, title=title).text()]
    for s in summary.leading():
        texts += [feature_table(summary, s).text(), layer_table(summary, s).text()]
    if material.evaluation is not None:
        texts.append(confusion_table(material.evaluation).text())
    for table in (left_out_table(material), skipped_table(material)):
        more = len(table.rows) - _LONGEST_LIST
        table = dataclasses.replace(table, rows=table.rows[:_LONGEST_LIST])
        if table.rows:
            texts.append(table.text() + (f"... and {more} more, in the report\n" if more > 0 else ""))
    return "\n".join(texts)


def _narrow(neurons: Table) -> Table:
    """The table of neurons as a console has room for: without its last columns, of the null its mean."""
    columns = list(neurons.columns[:-_LEFT_TO_THE_PAGE])
    columns[1], columns[4] = ("follows", "<"), ("null", ">")
    rows = [(*row[:4], row[4].split(" ")[0], *row[5 : len(columns)]) for row in neurons.rows]
    return dataclasses.replace(neurons, columns=tuple(columns), rows=rows, note="")


def all_tables(summary: Summary, material: Material, best: Best) -> list[Table]:
    """Every table, as written to the report's folder."""
    tables = [neuron_table(best, summary, material.selectivity, len(best.neuron))]
    tables += [make(summary, s) for s in range(len(summary.sets)) for make in (feature_table, layer_table)]
    if material.evaluation is not None:
        tables.append(confusion_table(material.evaluation))
    undefined = undefined_table(summary)
    tables += [undefined] if undefined.rows else []
    return [*tables, left_out_table(material), skipped_table(material)]


def _unit(summary: Summary, unit: int) -> tuple[str, str, str]:
    if unit < 0:
        return "-", "-", "-"
    u = summary.units
    row = "all" if u.row[unit] < 0 else str(u.row[unit])
    return summary.layers[u.layer[unit]], str(u.neuron[unit]), row


def _score(summary: Summary, unit: int) -> str:
    return signed(summary.units.score[unit]) if unit >= 0 else "-"


def _interval(summary: Summary, unit: int) -> str:
    """The interval of a unit's score, empty where it has none."""
    low, high = summary.units.ci_low[unit], summary.units.ci_high[unit]
    return interval(low, high, sign=True) if unit >= 0 else ""


def _best_in_layer(summary: Summary, score_set: int, network: int | None, layer: int) -> list[str]:
    if network is None or np.isnan(summary.spread.best[score_set, network, layer]).all():
        return ["-", "-", "-", "-"]
    feature = int(np.nanargmax(summary.spread.best[score_set, network, layer]))
    unit = int(summary.spread.unit[score_set, network, layer, feature])
    return [summary.features[feature], *_unit(summary, unit)[1:], _score(summary, unit)]


def _mistaken_table(names: Sequence[str], counts: np.ndarray, summary: str) -> Table:
    """For many classes: each with its recall and the class it is most often taken for."""
    rows = []
    for i, line in enumerate(counts):
        wrong = np.where(np.arange(len(names)) == i, 0, line)
        other = f"{names[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else "-"
        rows.append((names[i], str(line.sum()), _share(line[i], line.sum()), other))
    columns = (("true class", "<"), ("clips", ">"), ("recall", ">"), ("most often taken for", "<"))
    return Table("Confusion", columns, rows, f"{summary}.")


def _share(count: int, total: int) -> str:
    return f"{count / total:.2f}" if total else "-"


def _short(names: Sequence[str]) -> list[str]:
    """Distinct abbreviations of class names: as many letters as it takes, three at least."""
    for letters in range(3, max(map(len, names), default=3) + 1):
        cut = [name[:letters] for name in names]
        if len(set(cut)) == len(cut):
            return cut
    return list(names)
