"""The parts of a run, made from its config: data, front end, network, features, metrics."""

import dataclasses
import functools
import importlib
import inspect
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import ml_collections
import numpy as np

from actjax import arguments, failures, files, lookup
from actjax.activations.linen import AnyNetwork
from actjax.external import truth
from actjax.external.formats import npy
from actjax.options import refuse_repeats
from actjax.similarity.api import make_metric
from actjax.types import Feature, Frontend, Metric

LONGEST_IMAGE = 2**16  # frames of the image of frontend.subtract
# Options that a feature takes from the run's front end unless its own spec says otherwise.
SHARED_OPTIONS = ("sample_rate_hz", "hop_samples", "n_fft", "n_mels", "fmin_hz")


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: its config and its directories."""

    config: ml_collections.FrozenConfigDict
    workdir: Path
    config_path: str | None = None
    data_dir: str | None = None


class LeftOut(ValueError):
    """A stage that these settings do not allow, while the others go on without it; one line."""


def frontend(config: Any) -> Frontend:
    """What turns a wave into the network's input image."""
    options = config.frontend.to_dict()
    path = options.pop("subtract")
    image = _subtracted(Path(path).expanduser(), options["n_mels"]) if path else None
    return Frontend(sample_rate_hz=config.data.sample_rate_hz, subtract=image, **options)


def _subtracted(path: Path, bands: int) -> tuple[tuple[float, ...], ...]:
    """The image of `frontend.subtract`, hashable as a front end is."""
    if not path.exists():
        raise FileNotFoundError(f"frontend.subtract: there is no file {path}; give a .npy [mel, frame]")
    try:
        found = npy.read_npy(path, path.stem)
    except files.FileError as error:
        raise ValueError(f"frontend.subtract: {error}") from error
    if len(found.shape) != 2 or found.shape[0] != bands or not 0 < found.shape[1] <= LONGEST_IMAGE:
        raise ValueError(f"frontend.subtract: expected {bands} bands x frames, got {found.shape} in {path}")
    image = found.all(bands * LONGEST_IMAGE * found.dtype.itemsize) if found.dtype.kind in "fiu" else None
    with np.errstate(over="ignore"):
        narrow = None if image is None else image.astype(np.float32)
    if narrow is None or not np.isfinite(narrow).all():
        raise ValueError(f"frontend.subtract: expected finite numbers, got others ({found.dtype}) in {path}")
    return tuple(map(tuple, narrow.tolist()))


def features(config: Any, source: Any = None) -> list[Feature]:
    """The features of `score.features`; they share the front end's analysis unless told otherwise.

    What the data set knows of its clips (`truth.NAMES`) is a feature too, where a source is given.
    """
    shared = {"sample_rate_hz": config.data.sample_rate_hz}
    shared |= {k: v for k, v in config.frontend.to_dict().items() if k in SHARED_OPTIONS}
    made, names = [], []
    for name, options in lookup.parse_specs(config.score.features):
        names.append(name)
        if name in truth.NAMES:
            truth.check_options(name, options)
            options = arguments.checked(name, truth.NAMES[name], options)
            if source is not None:
                accepted = truth.options_of(name)
                options = {k: v for k, v in shared.items() if k in accepted} | options
                made.append(truth.load(name, source, **options))
            continue
        accepted = set(lookup.options_of("feature", name))
        if "n_mels" not in accepted:
            # The front end's lowest band edge, 0 Hz, is none of a pitch tracker or a constant-Q bank.
            accepted -= {"fmin_hz"}
        made.append(
            lookup.load("feature", name, **{k: v for k, v in shared.items() if k in accepted} | options)
        )
    refuse_repeats("score.features", names)
    return made


def metrics(config: Any) -> list[Metric]:
    """The metrics of `score.metrics`."""
    made = [make_metric(name, **options) for name, options in lookup.parse_specs(config.score.metrics)]
    refuse_repeats("score.metrics", [m.name for m in made])
    return made


def module(config: Any, num_classes: int, **options: Any) -> Any:
    """The network, a Flax module: one of ours by name, or `package.module` of the user's.

    The user's module exports `model(num_classes, **hyper)`. What it returns is taken as it is if it
    has a method `layers(shape_ft)` like our own networks, else wrapped in an `AnyNetwork`.

    Raises:
      ValueError: there is no such module, it exports no `model`, or that returns no Flax module.
    """
    [(name, own)] = lookup.parse_specs(config.model.name)
    if "." in name:
        return _users_module(name, num_classes, options, own)
    return lookup.load("model", name, **{"num_classes": num_classes, **options, **own})


def _users_module(name: str, num_classes: int, options: dict[str, Any], own: dict[str, Any]) -> Any:
    try:
        make = importlib.import_module(name).model
        accepted = inspect.signature(make).parameters
        own = lookup.checked("model", name, make, {"num_classes": num_classes} | own)
        made = make(**{k: v for k, v in options.items() if k in accepted} | own)
    except Exception as error:
        # Whatever a user's own code raises is said in a line that names it.
        raise ValueError(
            f"model.name = {name!r}: expected a module on the Python path that exports "
            f"model(num_classes, **hyper); {failures.said(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise ValueError(
            f"model.name = {name!r}: expected model() to return a Flax linen module, got {made!r}"
        )
    return made if hasattr(made, "layers") else AnyNetwork(inner=made)


def builder(run: Run) -> Any:
    """The data set's TFDS builder, not yet prepared."""
    data = run.config.data
    [(name, own)] = lookup.parse_specs(data.name)
    accepted = lookup.options_of("dataset", name)
    given = {"config": data.config, "clip_seconds": data.clip_seconds, "sample_rate_hz": data.sample_rate_hz}
    given |= {"seed": data.seed, "data_dir": run.data_dir}
    return lookup.load("dataset", name, **{k: v for k, v in given.items() if k in accepted} | own)


def check_split(config: Any, builder: Any) -> None:
    """Raises ValueError unless the data set, prepared or not, has the split that is scored."""
    known = tuple(builder.jobs())
    if config.score.split not in known:
        raise ValueError(f"score.split = {config.score.split!r}: {builder.name} has {', '.join(known)}")


@functools.cache
def band_centres_hz(front: Frontend) -> Any:
    """[bands] centre frequencies of the network's input."""
    from actjax import dsp

    return dsp.mel_centres_hz(front.sample_rate_hz, front.n_mels, front.fmin_hz, front.fmax_hz)


def image_shape(front: Frontend, clip_samples: int) -> tuple[int, int]:
    """(bands, frames) of the network's input for a clip."""
    import jax

    from actjax import dsp

    wave = jax.ShapeDtypeStruct((clip_samples,), jnp.float32)
    return jax.eval_shape(lambda w: dsp.log_mel_image(w, front), wave).shape
