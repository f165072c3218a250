"""Runs a benchmark of actjax itself and keeps its table and picture."""

from pathlib import Path

from actjax import lookup, parallel, runs
from actjax.benchmark import workdir_networks
from actjax.pages.rows import csv_text, markdown
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import benchmark_table


def measure(run: runs.Run) -> list[Path]:
    """Runs `config.benchmark.kind` and writes benchmark/<kind>.csv, .md and, where it has one, .png.

    Raises:
      UnknownNameError: no such benchmark, or one without such an option.
    """
    config = run.config.benchmark
    [(kind, options)] = lookup.parse_specs(config.kind)
    if config.full and "full" in lookup.options_of("benchmark", kind):
        options = {"full": True} | options
    for name in ("networks", "real", "known"):
        if name in lookup.options_of("benchmark", kind):
            options = {name: getattr(workdir_networks, name)(run)} | options
    rows = lookup.load("benchmark", kind, **options)
    module = lookup.module("benchmark", kind)
    text = module.table(rows) if hasattr(module, "table") else markdown(rows)
    print(text)
    if parallel.process_index() != 0:
        return []
    outputs = benchmark_table.write(run.workdir, kind, csv_text=csv_text(rows), markdown=text)
    picture = benchmark_table.path_of(run.workdir, kind, ".png")
    drawn = module.plot(rows, picture) if hasattr(module, "plot") else None  # None: nothing to be drawn
    return outputs if drawn is None else [*outputs, drawn]


stage = Stage("benchmark", check_options=refuse_nothing, check=refuse_nothing, run=measure)
