"""The networks of a trained workdir as units for the causal check of the metric benchmark."""

from typing import Any

import jax

from actjax import workdir
from actjax.benchmark import _causal
from actjax.datasets import loader
from actjax.stages import _networks, _parts


def networks(run: _parts.Run) -> dict[str, _causal.Units] | None:
    """{"trained", "untrained": clips -> means of all neurons of all layers}; None if nothing was trained.

    Raises:
      ValueError: the workdir was trained with another config.
    """
    if not (run.workdir / "train.json").exists():
        return None
    workdir.claim(run.workdir, "train", run.config.to_dict())
    source = loader.open_source(_parts.builder(run), "train")
    module: Any = _networks.module(run, len(source.class_names))
    found = {}
    for name in ("trained", "untrained"):
        variables = jax.device_get(_networks.variables(run, name, source))
        found[name] = _causal.module_units(module, variables, _parts.frontend(run.config))
    return found
