"""Runs a benchmark of actjax itself and keeps its table and picture."""

from pathlib import Path

from actjax import files, lookup, parallel
from actjax import run as runs
from actjax.benchmark import workdir_networks
from actjax.pages.rows import csv_text, markdown
from actjax.stages import Stage, refuse_nothing


def measure(run: runs.Run) -> list[Path]:
    """Runs `config.benchmark.kind` and writes benchmark/<kind>.csv, .md and, where it has one, .png.

    Raises:
      UnknownNameError: no such benchmark, or one without such an option.
    """
    config = run.config.benchmark
    [(kind, options)] = lookup.parse_specs(config.kind)
    if config.full and "full" in lookup.options_of("benchmark", kind):
        options = {"full": True} | options
    for name in ("networks", "real"):
        if name in lookup.options_of("benchmark", kind):
            options = {name: getattr(workdir_networks, name)(run)} | options
    rows = lookup.load("benchmark", kind, **options)
    module = lookup.module("benchmark", kind)
    text = module.table(rows) if hasattr(module, "table") else markdown(rows)
    print(text)
    if parallel.process_index() != 0:
        return []
    folder = run.workdir / "benchmark"
    outputs = [folder / f"{kind}.csv", folder / f"{kind}.md"]
    for path, content in zip(outputs, (csv_text(rows), text + "\n"), strict=True):
        with files.written_whole(path) as aside:
            aside.write_text(content)
    picture = module.plot(rows, folder / f"{kind}.png") if hasattr(module, "plot") else None
    return outputs + ([picture] if picture else [])


stage = Stage("benchmark", check_options=refuse_nothing, check=refuse_nothing, run=measure)
