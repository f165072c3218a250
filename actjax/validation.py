"""What a run's options must be together: every name, and the plainly impossible, before any work."""

import math
from collections.abc import Sequence
from pathlib import Path

from actjax import defaults, dsp, lookup, parallel
from actjax.defaults import Config
from actjax.network import make_module, model_spec
from actjax.options import comma_list
from actjax.types import Metric


def check(config: Config) -> None:
    """Checks every option by itself, and names, front end and files.

    Raises:
      UnknownNameError: a name that does not exist, and the nearest that do.
      FileNotFoundError: a file that an option names.
      ValueError: an impossible option; one line.
    """
    defaults.check(config)
    _check_names(config)
    _check_frontend(config)
    _check_files(config)


def clip_samples(config: Config) -> int:
    """Samples of a clip; a data set's own options come before the config's."""
    [(_, options)] = lookup.parse_specs(config.data.name)
    asked = {"clip_seconds": config.data.clip_seconds, "sample_rate_hz": config.data.sample_rate_hz} | options
    return round(asked["clip_seconds"] * asked["sample_rate_hz"])


def check_metrics(metrics: Sequence[Metric], options: Config) -> None:
    """Raises ValueError unless each metric of `config.score` has a view there and what it needs."""
    views = comma_list(options.views)
    for metric in metrics:
        if not set(metric.views) & set(views):
            raise ValueError(
                f"metric {metric.name} has the views {', '.join(metric.views)}, none of which is in "
                f"score.views = {options.views!r}: add one of them"
            )
        if "nuisance_oq" in metric.needs and not options.nuisances:
            raise ValueError(
                f"{metric.name} holds score.nuisances fixed: name features, loudness_a_weighted say"
            )
    for name in comma_list(options.null_metrics):
        lookup.check("metric", name)


def check_sizes(config: Config) -> None:
    """Raises ValueError where no network is scored, or the devices do not divide a batch."""
    if not config.score.activations and not comma_list(config.score.networks):
        raise ValueError("score.networks is empty; name at least one, or give score.activations")
    for option, size in (("train", config.train.batch_size), ("score", config.score.batch_size)):
        devices = parallel.device_count()
        if size % devices:
            raise ValueError(
                f"{option}.batch_size must be a multiple of the {devices} devices, got {size}: "
                f"{math.ceil(size / devices) * devices} would do"
            )


def _check_names(config: Config) -> None:
    """Checks that data set, network and benchmark exist and have the options that are named."""
    for kind, spec in (("dataset", config.data.name), ("benchmark", config.benchmark.kind)):
        [(name, options)] = lookup.parse_specs(spec)
        lookup.check(kind, name)
        if options:
            lookup.checked(kind, name, lookup.factory(kind, name), options)
    model = model_spec(config.model.name)
    if config.weights and model.is_users:
        raise ValueError(
            f"config.weights is for the models of --list=models, got model.name = {model.name!r}"
        )
    if not (model.is_users and config.score.activations):
        make_module(model, num_classes=2)


def _check_frontend(config: Config) -> None:
    """Checks that the network's image can be made of a clip, and that no band of it is empty."""
    front, data = config.frontend, config.data
    samples = round(data.clip_seconds * data.sample_rate_hz)
    if samples < front.n_fft:
        raise ValueError(
            f"data.clip_seconds = {data.clip_seconds:g} is {samples} samples, less than the window of "
            f"frontend.n_fft = {front.n_fft}: take at least {front.n_fft / data.sample_rate_hz:.3g} seconds"
        )
    try:
        dsp.check_settings(data.sample_rate_hz, front.n_fft, front.hop_samples)
        dsp.check_bands(data.sample_rate_hz, front.n_fft, front.n_mels, front.fmin_hz)
    except ValueError as error:
        raise ValueError(f"frontend: {error}") from error


def _check_files(config: Config) -> None:
    """Checks that the files are there that options name; their readers check what they hold."""
    for option, text in (
        ("score.activations", config.score.activations),
        ("score.external_features", config.score.external_features),
    ):
        for path in comma_list(text):
            if not Path(path).expanduser().exists():
                raise FileNotFoundError(f"{option}: there is no file {path}")
