"""Wiring: from a config to stages, each of which finds in the workdir what earlier ones left."""

import contextlib
import dataclasses
import functools
import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from actjax import beside, capacity, config_files, costs, lookup, parallel, precision, runs
from actjax.defaults import Config
from actjax.stages import Stage
from actjax.types import Batch
from actjax.workdir import manifest, recorded_config, writer

# stage -> the one under whose name it claims the workdir.
CLAIMS = {stage: stage for stage in recorded_config.STAGES} | {"import": "train"}
FINDINGS_OF = "gm_instruments"


def run(
    *,
    config: Config,
    workdir: str | None = None,
    stage: str = "all",
    config_path: str | None = None,
    data_dir: str | None = None,
    dry_run: bool = False,
    profile: bool = False,
    quick: Collection[str] | None = None,
    closing: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Runs one stage, or all of them, and returns the files written.

    Args:
      config: see `actjax.defaults.default_config`.
      workdir: where results go; runs/<config file's name> by default, of a quick run with _quick behind.
      stage: "all" or a stage's name (`python launch.py --list=stages`).
      config_path: the config file, for stages that read its `get_sweep`.
      data_dir: where prepared data sets live; TFDS's default otherwise.
      dry_run: print what would run and return.
      profile: trace some training steps, in <workdir>/profile.
      quick: for a look in a minute, the names of the options that a person has set and that stay.
      closing: says more before the last line, which is the page to open.

    Raises:
      ValueError: an unknown name or an impossible option, before any expensive work.
    """
    if stage != "all" and stage not in lookup.names("stage"):
        raise lookup.UnknownNameError(
            f"unknown stage {stage!r}; {lookup.suggest(stage, ('all', *lookup.names('stage')))}"
        )
    name = Path(config_path.split(":")[0]).stem if config_path else "run"
    where = workdir or config_files.workdir_of(name, quick=quick is not None)
    opened = runs.open_run(config, where, config_path=config_path, data_dir=data_dir)
    if profile:
        opened = dataclasses.replace(opened, profile=True)
    for option, folder in (("--workdir", workdir), ("--data_dir", data_dir)):
        if folder is not None:
            check_folder(option, folder)
    chosen = stages_of_all(opened.config) if stage == "all" else (stage,)
    if quick is not None:
        from actjax.quick import quickened

        opened = quickened(opened, chosen, quick)
    _look_ahead(opened, chosen)
    if dry_run:
        _check_options(opened, chosen)
        _check_workdir(opened, chosen)
        from actjax.scoring import dry_run as scoring_dry_run

        print(scoring_dry_run.describe(opened))
        return []
    if opened.config.train.population > 1 and stage in ("all", "train"):
        with one_writer(opened.workdir):
            written = lookup.module("stage", "sweep").run_seeds(opened, chosen)
    else:
        written = run_stages(opened, chosen)
    closing()
    if written and parallel.process_index() == 0:
        print(summary_of_files(opened.workdir, written))
    return written


def _look_ahead(run: runs.Run, stages: Sequence[str]) -> None:
    """Refuses, in one line, all that a folder of sounds cannot support; says what is worth knowing of it.

    Raises:
      ValueError: what stands in the way, and the flags that answer it.
    """
    if len(stages) == 1:
        return  # a stage by itself says what it lacks
    from actjax import preflight

    survey = preflight.survey(run, stages)
    if survey.obstacles:
        raise ValueError(survey.refusal())
    notes = list(survey.notes)
    if "findings" not in stages and run.config.findings.untrained > 0:
        notes.append(f"findings are tested on {FINDINGS_OF}, on other data by --stage=findings")
    if parallel.process_index() == 0:
        for note in notes:
            print(f"note: {note}")


def run_stages(run: runs.Run, stages: Sequence[str]) -> list[Path]:
    """Runs stages one after the other and returns the files they wrote; no other run may write there then.

    Raises:
      LockedError: another run is writing into the workdir; what `run` raises.
    """
    _check_options(run, stages)
    with one_writer(run.workdir):
        _check_workdir(run, stages)
        return _run_in_order(run, stages)


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Of all processes of a run the first holds the workdir's lock; where it is refused, all are."""
    with contextlib.ExitStack() as held:
        refusal = None
        if parallel.process_index() == 0:
            try:
                held.enter_context(writer.one_writer(folder))
            except (ValueError, OSError) as error:
                if parallel.process_count() == 1:
                    raise
                refusal = str(error)
        refusal = json.loads(parallel.gather_bytes(json.dumps(refusal).encode())[0])
        if refusal is not None:
            raise ValueError(refusal)
        yield


def _run_in_order(run: runs.Run, stages: Sequence[str]) -> list[Path]:
    written, took, aside = [], {}, beside.Aside()
    with aside:
        for i, name in enumerate(stages):
            try:
                began = time.time()
                with precision.products(run.config.score.precision), costs.measured() as cost:
                    aside.wait_for(name)
                    outputs = _load_stage(name).run(run)
                written += outputs
                took[name] = cost.as_json()
                _keep_cost(run, name, took[name], outputs, began)
            except runs.StageLeftOut as why:
                if len(stages) == 1:
                    raise
                print(f"{name}: left out, {why}")
            if name == "data":
                # What the data cannot support is refused before anything is trained.
                for later in map(_load_stage, stages[i + 1 :]):
                    later.check(run)
                    aside.start(later.name, functools.partial(later.foresee, run))
            capacity.release()
    if parallel.process_index() == 0 and len(stages) > 1 and (said := costs.summary(took)):
        print(said)
    return written


def _keep_cost(
    run: runs.Run, stage: str, cost: dict[str, Any], outputs: Sequence[Path], began: float
) -> None:
    """Keeps in the manifest what a stage took, unless it took nothing or wrote none of its outputs."""
    if parallel.process_index() != 0 or cost["seconds"] < costs.LEAST_SECONDS or not run.workdir.is_dir():
        return
    # The clock of a file's time runs up to a tick behind the system's.
    if any(path.exists() and path.stat().st_mtime >= began - 0.02 for path in outputs):
        stages = manifest.read(run.workdir).get("stages")
        manifest.write(run.workdir, stages={**(stages if isinstance(stages, dict) else {}), stage: cost})


def _check_options(run: runs.Run, stages: Sequence[str]) -> None:
    """Lets each stage refuse options, before any of them works."""
    for stage in map(_load_stage, stages):
        stage.check_options(run)


def _check_workdir(run: runs.Run, stages: Sequence[str]) -> None:
    """Refuses a workdir of another config, before any stage leaves this one there."""
    for stage in stages:
        if stage in CLAIMS:
            recorded_config.compare(run.workdir, CLAIMS[stage], run.config.to_dict())


def open_clips(
    config: Config, *, batch_size: int, data_dir: str | None = None
) -> tuple[Any, Iterator[Batch]]:
    """Opens the clips that a run of this config scores, for those who compute activations of their own.

    Prepares the data set if it is not yet.

    Returns:
      The source (clip_ids, labels ...), and its clips in that order in batches: `.audio` [b, s] float32
      in -1 .. 1, `.mask` [b], False where the last batch is padded, `.length` [b] samples of signal.
    """
    from actjax.data import loader

    builder = runs.make_builder(config, data_dir)
    builder.download_and_prepare()
    source = loader.open_source(builder, config.score.split)
    return source, loader.batches(source, batch_size=batch_size)


def clean(config: Config, names: Sequence[str], data_dir: str | None = None) -> str:
    """Lists the prepared copies of the config's data set, or removes those that are named; says what it did.

    Raises:
      UnknownNameError: there is no such copy.
    """
    from actjax.data.build import copies

    builder = runs.make_builder(config, data_dir)
    if list(names) == ["list"]:
        return copies.listing(builder)
    return f"data: removed {', '.join(copies.remove(builder, names))}"


def summary_of_files(workdir: Path, written: Sequence[Path]) -> str:
    """Says what was written where, folder by folder, and in the last line which page to open, as a link."""
    counts: dict[str, int] = {}
    for path in dict.fromkeys(written):
        inside = path.relative_to(workdir) if path.is_relative_to(workdir) else path
        name = inside.parts[0] + "/" if len(inside.parts) > 1 and not inside.is_absolute() else str(inside)
        counts[name] = counts.get(name, 0) + 1
    named = ", ".join(f"{name} ({count} files)" if count > 1 else name for name, count in counts.items())
    pages = [path for path in written if path.name == "index.html"]
    link = f"\nopen {pages[-1].resolve().as_uri()}" if pages else ""
    return f"in {workdir}: {named}{link}"


def check_folder(option: str, folder: str) -> None:
    """Raises OSError unless a folder is, or can be made, at that path and written into; makes nothing.

    Raises:
      ValueError: an empty path.
    """
    if not folder or "\0" in folder:
        raise ValueError(f"{option} is empty: name a folder, or leave it out")
    path = Path(folder)
    there = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    if not there.is_dir():
        raise NotADirectoryError(f"{option}={path}: {there} is no folder; name one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{option}={path}: {there} cannot be written; name a folder that can")


def join_processes(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Joins the other processes of a run; see `parallel.initialize`.

    Raises:
      OSError: they cannot be reached.
      ValueError: no host:port, or no cluster is found; or as `parallel.initialize` says.
    """
    if coordinator not in (None, "auto") and not re.fullmatch(r"\S+:\d{1,5}", coordinator):
        raise ValueError(f"--coordinator is host:port of process 0, or 'auto'; got {coordinator!r}")
    try:
        parallel.initialize(coordinator, num_processes, process_id)
    except ValueError as error:
        if coordinator != "auto":
            raise
        raise ValueError(f"--coordinator=auto finds no Slurm, Open MPI or TPU pod here: {error}") from error
    except RuntimeError as error:
        raise ConnectionError(f"cannot join the processes at {coordinator}: {error}") from error


def stages_of_all(config: Config) -> tuple[str, ...]:
    """Names every stage, in order; weights and activations made elsewhere need no training.

    The paper's findings are tested on FINDINGS_OF, and on other data on request.
    """
    stages: list[str] = list(recorded_config.STAGES)
    if not config.findings.always and lookup.parse_specs(config.data.name)[0][0] != FINDINGS_OF:
        stages.remove("findings")
    if config.hypotheses.file:
        stages.insert(stages.index("report"), "hypotheses")
    if config.score.activations:
        return tuple(s for s in stages if s != "train")
    return tuple("import" if s == "train" and config.weights else s for s in stages)


def _load_stage(name: str) -> Stage:
    return lookup.module("stage", name).stage
