"""Runs the trials of a sweep on a Ray cluster: packed by cores and GPUs, retried where a node dies."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections

from actjax import lookup, runs
from actjax.search import trials
from actjax.search.space import Search

NAME = "ray"
# What a worker's JAX and Python need to know; a cluster's nodes have other environments.
_ENVIRONMENT = ("JAX_PLATFORMS", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64")


def run(every: Sequence[trials.Trial], search: Search | None, workdir: Path, options: Any) -> list[Path]:
    """Runs every trial by Ray Tune; the same call goes on after the driver, or a node, has died.

    The workdir and the data folder are the same for all nodes: a file system that they share.

    Args:
      every: the trials.
      search: by which they are judged, or None.
      workdir: of the sweep.
      options: `config.sweep`.

    Raises:
      ModuleNotFoundError: Ray is not installed.
      ValueError, OSError: the cluster cannot be reached.
    """
    ray, tune = (lookup.package(name, "sweep.engine=ray") for name in ("ray", "ray.tune"))
    _join(ray, options.address)
    asked = None
    if search is not None and search.asha is not None:
        # Its state is on the shared file system: on another node it goes on from there.
        judge = ray.remote(trials.Judging).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        asked = judge.remote(workdir.absolute(), search)
    plans = {one.name: _plan(one.run) for one in every}
    trainable = tune.with_resources(
        tune.with_parameters(_trial, plans=plans, judging=asked), {"cpu": options.cpus, "gpu": options.gpus}
    )
    place = workdir.absolute() / NAME
    try:
        if tune.Tuner.can_restore(str(place)):
            tuner = tune.Tuner.restore(
                str(place), trainable=trainable, resume_unfinished=True, restart_errored=True
            )
        else:
            tuner = tune.Tuner(
                trainable,
                param_space={"trial": tune.grid_search(list(plans))},
                run_config=tune.RunConfig(
                    name=NAME,
                    storage_path=str(place.parent),
                    failure_config=tune.FailureConfig(max_failures=int(options.retries)),
                    verbose=1,
                ),
            )
        results = tuner.fit()
    finally:
        ray.shutdown()
    # Read after the actor has written its last.
    judging = trials.Judging(workdir, search)
    for result in results:
        name = (result.config or {}).get("trial") or (result.metrics or {}).get("trial")
        if name:
            judging.note_failure(name, result.error and trials.said(result.error).splitlines()[-1])
    return []


def _join(ray: Any, address: str) -> None:
    """Joins the cluster, or starts one on this machine."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        ray.init(
            address=address or "local",  # not a cluster that an earlier sweep left here, dead or alive
            runtime_env={"env_vars": environment},
            log_to_driver=True,
            include_dashboard=False if not address else None,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ValueError(f"sweep.address = {address!r}: no Ray cluster can be joined: {error}") from error


def _plan(run: runs.Run) -> dict[str, Any]:
    """A run as what can be sent to another process."""
    return {
        "config": run.config.to_dict(),
        "workdir": str(run.workdir.absolute()),
        "config_path": run.config_path and os.path.abspath(run.config_path),
        "data_dir": run.data_dir and os.path.abspath(run.data_dir),
        "folder": os.getcwd(),
    }


def _trial(config: Mapping[str, Any], plans: Mapping[str, Mapping[str, Any]], judging: Any) -> None:
    """One trial, in a worker of the cluster."""
    import ray
    from ray import tune

    name = config["trial"]
    plan = dict(plans[name])
    os.chdir(plan.pop("folder"))  # paths of the config are relative to where the sweep was started
    options = ml_collections.ConfigDict(plan.pop("config"))
    run = runs.open_run(options, plan.pop("workdir"), **plan)

    def goes_on(trial: str, step: int, value: float) -> bool:
        return ray.get(judging.goes_on.remote(trial, step, value))

    trials.waiting_for_lock(lambda: trials.run_trial(run, name, goes_on if judging is not None else None))
    tune.report({"trial": name, "done": True})
