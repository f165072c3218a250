"""Runs a benchmark of actjax itself and keeps its table and picture."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actjax import code_version, files, lookup, parallel, runs
from actjax.benchmark import workdir_networks
from actjax.pages.rows import csv_text, markdown
from actjax.stages import Stage, refuse_nothing
from actjax.workdir import benchmark_table, pieces, train_record
from actjax.workdir.piece_log import PieceLog
from actjax.workdir.sections import Sections


def measure(run: runs.Run) -> list[Path]:
    """Runs `config.benchmark.kind` and writes benchmark/<kind>.csv, .md and, where it has one, .png.

    A benchmark that was stopped goes on after what it has measured.

    Raises:
      UnknownNameError: no such benchmark, or one without such an option.
    """
    config = run.config.benchmark
    [(kind, options)] = lookup.parse_specs(config.kind)
    if config.full and "full" in lookup.options_of("benchmark", kind):
        options = {"full": True} | options
    unfinished = pieces.Pieces(run.workdir, f"benchmark_{kind}", _made_from(run, options))
    log = PieceLog(unfinished, "sections")
    for name in ("networks", "real", "known"):
        if name in lookup.options_of("benchmark", kind):
            options = {name: getattr(workdir_networks, name)(run)} | options
    if "sections" in lookup.options_of("benchmark", kind) and parallel.process_count() == 1:
        sections = Sections(log)
        options = {"sections": sections} | options
        if done := sections.names():
            print(f"benchmark: {len(done)} sections done before: {', '.join(done)}")
    try:
        rows = lookup.load("benchmark", kind, **options)
    finally:
        # Also what was measured when a signal came is kept.
        log.flush()
    module = lookup.module("benchmark", kind)
    text = module.table(rows) if hasattr(module, "table") else markdown(rows)
    print(text)
    if parallel.process_index() != 0:
        return []
    outputs = benchmark_table.write(run.workdir, kind, csv_text=csv_text(rows), markdown=text)
    picture = benchmark_table.path_of(run.workdir, kind, ".png")
    drawn = module.plot(rows, picture) if hasattr(module, "plot") else None  # None: nothing to be drawn
    unfinished.close()
    return outputs if drawn is None else [*outputs, drawn]


def _made_from(run: runs.Run, options: Mapping[str, Any]) -> str:
    """A hash of all that a benchmark's sections depend on: code, options, machine, the workdir's network."""
    record = train_record.read(run.workdir)
    code = code_version.of_rooms("benchmark", "features", "metrics")
    machine = [parallel.describe_devices(), os.cpu_count()]
    return files.digest([code, sorted(options.items(), key=str), machine, record and record.weights])


stage = Stage("benchmark", check_options=refuse_nothing, check=refuse_nothing, run=measure)
