"""The public way to run actjax from Python, and to open what a run left."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from actjax import config_files, defaults, experiment, lookup
from actjax.defaults import Config
from actjax.results.result import Result
from actjax.workdir import recorded_config


def run(
    config: str | os.PathLike[str] | Config = "quickstart",
    workdir: str | os.PathLike[str] | None = None,
    *,
    stage: str = "all",
    options: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    quick: bool = False,
) -> Result:
    """Does what `actjax run` does: prepares data, trains, scores, reports; what is there is not done again.

    >>> import tempfile
    >>> small = {"data.config": "tiny", "frontend.n_mels": 64, "score.features": "rms"}
    >>> result = actjax.run("quickstart", tempfile.mkdtemp(), stage="data", options=small,
    ...                     data_dir=tempfile.mkdtemp())  # doctest: +ELLIPSIS
    data: gm_instruments/...
    >>> result.config["data.config"]
    'tiny'

    Args:
      config: the name of a config of actjax ("quickstart"), a file with get_config(), a folder of sounds
        with a folder of files for each class, a .csv or .jsonl that lists them, a workdir that goes on with
        its own config, or a config as `actjax.defaults.default_config()` makes it.
      workdir: where results go; runs/<name> by default, of a quick run runs/<name>_quick.
      stage: "all", or one of `actjax list stages`.
      options: what differs from the config, by the options' names: {"train.steps": 200}.
      data_dir: where prepared data sets live; TFDS's default otherwise.
      quick: a look in a minute: fewer steps, features and replicates, and what stands in the way answered.

    Returns:
      `Result`: the scores as a table, the neurons, pictures, sounds.

    Raises:
      ValueError: what the command line refuses, in one line.
    """
    place, path = config_files.Place(), None
    if isinstance(config, str | os.PathLike):
        asked = None if workdir is None else os.fspath(workdir)
        place = config_files.place(os.fspath(config), asked, quick=quick)
        spec = place.config or "quickstart"
        settings, path = config_files.load(spec), str(config_files.find(config_files.split(spec)[0]))
    else:
        settings = ml_collections.ConfigDict(config.to_dict())
    _change(settings, {**place.options, **(options or {})})
    name = Path(path).stem if path else "run"
    where = Path(workdir or place.workdir or config_files.workdir_of(name, quick=quick))
    prepared = None if data_dir is None else os.fspath(data_dir)
    set_here = [*place.options, *(options or ())] if quick else None
    where_to = {"workdir": str(where), "config_path": path, "data_dir": prepared}
    experiment.run(config=settings, stage=stage, quick=set_here, **where_to)
    return Result(where, prepared)


def load_run(workdir: str | os.PathLike[str], *, data_dir: str | os.PathLike[str] | None = None) -> Result:
    """Opens what a run left in its workdir, without running anything.

    >>> load_run("nowhere")
    Traceback (most recent call last):
      ...
    FileNotFoundError: no stage ran in nowhere: expected a workdir with config.json

    Args:
      workdir: the run's folder.
      data_dir: where its prepared data set lives, for the sounds; TFDS's default otherwise.

    Raises:
      FileNotFoundError: no stage ran there.
    """
    recorded_config.latest(Path(workdir))
    return Result(Path(workdir), None if data_dir is None else os.fspath(data_dir))


def _change(config: Config, options: Mapping[str, Any]) -> None:
    """Sets options by their dotted names; raises ValueError for one that the config has not."""
    known = defaults.flattened(config)
    for option in options:
        if option not in known:
            raise lookup.UnknownNameError(f"unknown option {option!r}; {lookup.suggest(option, [*known])}")
    try:
        config.update_from_flattened_dict(dict(options))
    except (TypeError, ValueError) as error:
        raise ValueError(f"an option of another kind: {error}") from error
