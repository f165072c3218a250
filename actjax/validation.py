"""What a run's options must be together: every name, and the plainly impossible, before any work."""

import math
from pathlib import Path
from typing import Any

from actjax import defaults, dsp, lookup, parallel, run
from actjax.options import comma_list


def check(config: Any) -> None:
    """Checks every option, by itself and with the others, without touching data or devices' memory.

    Raises:
      UnknownNameError: a name that does not exist, and the nearest that do.
      FileNotFoundError: a file that an option names.
      ValueError: an impossible option, or options that do not fit each other; one line.
    """
    defaults.check(config)
    _check_names(config)
    _check_frontend(config)
    _check_files(config)
    run.features(config)
    _check_metrics(config)
    if not config.score.activations and not comma_list(config.score.networks):
        raise ValueError("score.networks is empty; name at least one, or give score.activations")
    for option, size in (("train", config.train.batch_size), ("score", config.score.batch_size)):
        devices = parallel.device_count()
        if size % devices:
            raise ValueError(
                f"{option}.batch_size must be a multiple of the {devices} devices, got {size}: "
                f"{math.ceil(size / devices) * devices} would do"
            )


def _check_names(config: Any) -> None:
    """The data set, the network and the benchmark exist and have the options that are given."""
    for kind, spec in (("dataset", config.data.name), ("benchmark", config.benchmark.kind)):
        [(name, own)] = lookup.parse_specs(spec)
        lookup.check(kind, name)
        if own:
            lookup.checked(kind, name, lookup.factory(kind, name), own)
    [(name, _)] = lookup.parse_specs(config.model.name)
    if "." not in name or not config.score.activations:
        run.module(config, num_classes=2)


def _check_frontend(config: Any) -> None:
    """The network's image can be made of a clip, and no band of it is empty."""
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


def _check_files(config: Any) -> None:
    """The files that the options name are there; what they hold is checked by who reads them."""
    for option, text in (
        ("score.activations", config.score.activations),
        ("score.external_features", config.score.external_features),
    ):
        for path in comma_list(text):
            if not Path(path).expanduser().exists():
                raise FileNotFoundError(f"{option}: there is no file {path}")


def _check_metrics(config: Any) -> None:
    """Every metric has a view that is asked for, and what it needs."""
    views = comma_list(config.score.views)
    for metric in run.metrics(config):
        if not set(metric.views) & set(views):
            raise ValueError(
                f"metric {metric.name} has the views {', '.join(metric.views)}, none of which is in "
                f"score.views = {config.score.views!r}: add one of them"
            )
        if "nuisance_oq" in metric.needs and not config.score.nuisances:
            raise ValueError(
                f"{metric.name} holds score.nuisances fixed: name features, loudness_a_weighted say"
            )
    for name in comma_list(config.score.null_metrics):
        lookup.check("metric", name)
