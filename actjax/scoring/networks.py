"""The networks that a run scores: the trained one, its untrained twin, and the input itself."""

from pathlib import Path
from typing import Any

import jax

from actjax import lookup, parallel
from actjax import run as runs
from actjax.activations import capture
from actjax.activations.linen import AnyNetwork
from actjax.data import loader
from actjax.nn.keras.importer import Imported, import_keras
from actjax.train import checkpoint, loop
from actjax.types import Layer
from actjax.workdir import checkpoint_files, train_record


def module(run: runs.Run, num_classes: int, **options: Any) -> Any:
    """The run's network: of imported weights with their own options and outputs, else for `num_classes`."""
    record = train_record.read(run.workdir)
    if record is not None and record.imported is not None:
        hyper = {k: tuple(v) if isinstance(v, list) else v for k, v in record.imported.hyper.items()}
    else:
        hyper = read_weights(run).hyper if run.config.weights else {}
    return runs.module(run.config, **{"num_classes": num_classes, **options, **hyper})


def read_weights(run: runs.Run) -> Imported:
    """The Keras file config.weights as the model of the config, whose own options come first."""
    [(name, own)] = lookup.parse_specs(run.config.model.name)
    if "." in name:
        raise ValueError(f"config.weights is for the models of --list=models, got model.name = {name!r}")
    shape = runs.image_shape(runs.frontend(run.config), runs.builder(run).clip_samples)
    bound = int(run.config.score.memory_gib * 2**30)
    return import_keras(Path(run.config.weights).expanduser(), name, shape, bound=bound, **own)


def layers(run: runs.Run, num_classes: int, shape_ft: tuple[int, int]) -> tuple[Layer, ...]:
    """The network's layers, as many as `score.layers` chooses."""
    import re

    made = module(run, num_classes)
    if isinstance(made, AnyNetwork):
        return made.layers(shape_ft, run.config.score.layers)
    every = made.layers(shape_ft)
    chosen = tuple(layer for layer in every if re.fullmatch(run.config.score.layers, layer.name))
    if not chosen:
        known = [layer.name for layer in every]
        raise ValueError(
            f"score.layers = {run.config.score.layers!r} matches no layer; {lookup.suggest('', known)}"
        )
    return chosen


def variables(run: runs.Run, network: str, source: loader.Source) -> Any:
    """The weights of the trained or the untrained network.

    The untrained one has the initial weights of the same seed, and batch-norm statistics computed on
    the training clips; it is kept beside the trained one's checkpoint.
    """
    if network == "trained":
        return checkpoint.load_best(run.workdir)[0]
    folder, about = checkpoint_files.path_of(run.workdir, "untrained"), {"seed": run.config.seed}
    return checkpoint.kept_or_made(folder, lambda: _untrained(run, source), about)


def apply(run: runs.Run, num_classes: int) -> Any:
    """The layer outputs of the run's network; see `capture.network_outputs`."""
    return capture.network_outputs(module(run, num_classes))


def _untrained(run: runs.Run, source: loader.Source) -> Any:
    front = runs.frontend(run.config)
    made = module(run, len(source.class_names), axis_name=parallel.AXIS)
    initial = loop.init_variables(made, front, run.config.seed, source.clip_samples)
    batches = loader.batches(
        source,
        batch_size=run.config.train.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    return jax.device_get(loop.recompute_batch_stats(made, front, initial, batches))
