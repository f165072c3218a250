"""What a run's options must be together: every name, and the plainly impossible, before any work."""

import math
from typing import Any

from actjax import defaults, dsp, lookup, parallel
from actjax.options import comma_list
from actjax.stages import _parts


def check(config: Any) -> None:
    """Checks every option, by itself and with the others, without touching data or devices' memory.

    Raises:
      UnknownNameError: a name that does not exist, and the nearest that do.
      ValueError: an impossible option, or options that do not fit each other; one line.
    """
    defaults.check(config)
    _check_names(config)
    _check_frontend(config)
    _parts.features(config)
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
        _parts.module(config, num_classes=2)


def _check_frontend(config: Any) -> None:
    """The network's image can be made of a clip, and no band of it is empty."""
    front, data = config.frontend, config.data
    dsp.check_settings(data.sample_rate_hz, front.n_fft, front.hop_samples)
    samples = round(data.clip_seconds * data.sample_rate_hz)
    if samples < front.n_fft:
        raise ValueError(
            f"data.clip_seconds = {data.clip_seconds:g} is {samples} samples, less than the window of "
            f"frontend.n_fft = {front.n_fft}: take at least {front.n_fft / data.sample_rate_hz:.3g} seconds"
        )
    if front.fmin_hz >= data.sample_rate_hz / 2:
        raise ValueError(
            f"frontend.fmin_hz must be below half of data.sample_rate_hz, {data.sample_rate_hz / 2:g} Hz, "
            f"got {front.fmin_hz:g}"
        )
    bank = dsp.mel_bank(data.sample_rate_hz, front.n_fft, front.n_mels, front.fmin_hz)
    empty = int((bank.max(axis=1) <= 0).sum())
    if empty:
        raise ValueError(
            f"frontend.n_mels = {front.n_mels} is more than the bins of frontend.n_fft = {front.n_fft} hold: "
            f"{empty} bands would be empty; lower it or take a longer n_fft"
        )


def _check_metrics(config: Any) -> None:
    """Every metric has a view that is asked for, and what it needs."""
    views = comma_list(config.score.views)
    for metric in _parts.metrics(config):
        if not set(metric.views) & set(views):
            raise ValueError(
                f"metric {metric.name} has the views {', '.join(metric.views)}, none of which is in "
                f"score.views = {config.score.views!r}: add one of them"
            )
        if metric.name == "partial_pearson" and not config.score.nuisances:
            raise ValueError(
                "partial_pearson holds score.nuisances fixed: name features, loudness_a_weighted say"
            )
