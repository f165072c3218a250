"""Decodes a run's config once: front end, network, features, metrics and what is scored."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import arguments, dsp, files, lookup, validation
from actjax.defaults import Config
from actjax.external import truth
from actjax.external.formats import npy
from actjax.network import ModelSpec, model_spec, takes_of
from actjax.options import comma_list, refuse_repeats
from actjax.similarity.api import make_metric
from actjax.types import Feature, Frontend, Metric

LONGEST_IMAGE = 2**16  # frames of the image of frontend.subtract
# Options that a feature takes from the run's front end unless its own spec says otherwise.
SHARED_OPTIONS = ("sample_rate_hz", "hop_samples", "n_fft", "n_mels", "fmin_hz")
# Activations from a file stand in the score table as a network of this name.
EXTERNAL = "external"


class KnownOfClips(NamedTuple):
    """A feature that the data set knows of its clips; `truth.load` makes it once there are clips."""

    name: str
    options: dict[str, Any]


class ChosenMetric(NamedTuple):
    """A metric of `score.metrics`, with the options that the config gives."""

    metric: Metric
    options: dict[str, Any]


class NullOptions(NamedTuple):
    """The null of `config.score`.

    Attributes:
      kind: "within_class", "unrestricted" or "circular_shift".
      metrics, views: which scores get p-values.
      replicates, seed: how many rearrangements are drawn, and from which seed: that of the data, so that
        replicate r moves the clips alike for every seed of training.
      level: the smallest p-value that they must resolve.
    """

    kind: str
    metrics: tuple[str, ...]
    views: tuple[str, ...]
    replicates: int
    seed: int
    level: float


class Scored(NamedTuple):
    """`config.score`, decoded: what is compared, and how much of it at a time.

    Attributes:
      split: of the data set.
      networks: "trained", "untrained", "input"; "external" in place of the run's own.
      checkpoints: which weights that training kept are scored too: "all", "log", steps or "".
      layers: a regular expression that the whole name of a layer matches.
      views: in which sides are compared.
      neurons: "channel" or "channel_freq".
      grid: "time" or "seed".
      part: "within" or "total".
      nuisances: features held fixed by metrics that need them.
      null: what scores are held against, or None.
      activations: a file of activations made elsewhere, or None.
      external_features: files of features by clip id.
      batch_size: clips at a time, over all devices.
      memory_bytes: bound on what a part of the work holds.
    """

    split: str
    networks: tuple[str, ...]
    checkpoints: str
    layers: str
    views: tuple[str, ...]
    neurons: str
    grid: str
    part: str
    nuisances: tuple[str, ...]
    null: NullOptions | None
    activations: Path | None
    external_features: tuple[Path, ...]
    batch_size: int
    memory_bytes: int

    @property
    def run_networks(self) -> tuple[str, ...]:
        """The networks that this program runs on the input's image."""
        return tuple(name for name in self.networks if name not in ("input", EXTERNAL))


class FindingOptions(NamedTuple):
    """`config.findings`, and the two seeds that findings depend on.

    Attributes:
      untrained: initialisations, and shuffles; 0 leaves the findings out.
      label_control: a workdir beside the run's, of a network trained on shuffled labels, or "".
      rotations: random rotations of each layer's channels.
      replicates: of the permutation of recordings.
      bootstrap: resamples of the recordings.
      splits: random halves of the recordings.
      seed: the run's, which networks start from.
      data_seed: which halves, resamples and permutations are drawn from.
    """

    untrained: int
    label_control: str
    rotations: int
    replicates: int
    bootstrap: int
    splits: int
    seed: int
    data_seed: int


class Setup(NamedTuple):
    """Everything that a run's stages compute with, decoded from its config.

    Attributes:
      frontend: makes what the networks take, an image or the wave.
      analysis: makes the log-mel image that the input is scored by, and whose settings features share.
      clip_samples: of every clip.
      model: the network's name and options.
      features: of `score.features`, in order.
      metrics: of `score.metrics`, in order.
      scored: what else `config.score` says.
      findings: what `config.findings` says.
    """

    frontend: Frontend
    analysis: Frontend
    clip_samples: int
    model: ModelSpec
    features: tuple[Feature | KnownOfClips, ...]
    metrics: tuple[ChosenMetric, ...]
    scored: Scored
    findings: FindingOptions

    @property
    def image_shape_ft(self) -> tuple[int, int]:
        """(bands, frames) of what the networks take of a clip; (1, samples) of the wave."""
        return image_shape(self.frontend, self.clip_samples)

    @property
    def analysis_shape_ft(self) -> tuple[int, int]:
        """(bands, frames) of the log-mel image of a clip."""
        return image_shape(self.analysis, self.clip_samples)

    @property
    def computed_features(self) -> tuple[Feature, ...]:
        """The features that are computed from waves."""
        return tuple(feature for feature in self.features if isinstance(feature, Feature))


def resolve(config: Config) -> Setup:
    """Checks every option, by itself and with the others, and decodes them; touches no data.

    Raises:
      UnknownNameError: a name that does not exist, and the nearest that do.
      FileNotFoundError: a file that an option names.
      ValueError: an impossible option, or options that do not fit each other; one line.
    """
    validation.check(config)
    analysis, model = make_frontend(config), model_spec(config.model.name)
    takes_wave = not config.score.activations and takes_of(model) == "wave"
    # When they are tested says nothing of what comes out.
    tested = {name: value for name, value in config.findings.items() if name != "always"}
    setup = Setup(
        frontend=_of_wave(analysis.sample_rate_hz) if takes_wave else analysis,
        analysis=analysis,
        clip_samples=validation.clip_samples(config),
        model=model,
        features=make_features(config.score.features, analysis),
        metrics=_metrics(config.score.metrics),
        scored=_scored(config.score, _null(config.score, config.data.seed)),
        findings=FindingOptions(**tested, seed=config.seed, data_seed=config.data.seed),
    )
    validation.check_metrics([chosen.metric for chosen in setup.metrics], config.score)
    validation.check_sizes(config)
    return setup


def make_frontend(config: Config) -> Frontend:
    """Makes what turns a wave into the network's input image."""
    options = config.frontend.to_dict()
    path = options.pop("subtract")
    image = _subtracted(Path(path).expanduser(), options["n_mels"]) if path else None
    return Frontend(sample_rate_hz=config.data.sample_rate_hz, subtract=image, **options)


def _of_wave(sample_rate_hz: int) -> Frontend:
    """The front end of networks of the raw wave, whose frames are samples."""
    return Frontend(sample_rate_hz, n_fft=1, hop_samples=1, n_mels=1, takes="wave")


def make_features(specs: str, front: Frontend) -> tuple[Feature | KnownOfClips, ...]:
    """Makes the features of a comma list; they share the front end's analysis unless told otherwise."""
    shared = {name: getattr(front, name) for name in SHARED_OPTIONS}
    named = lookup.parse_specs(specs)
    features = tuple(_feature(name, options, shared) for name, options in named)
    refuse_repeats("score.features", [name for name, _ in named])
    return features


def _feature(name: str, options: dict[str, Any], shared: dict[str, Any]) -> Feature | KnownOfClips:
    if name in truth.NAMES:
        truth.check_options(name, options)
        options = arguments.checked(name, truth.NAMES[name], options)
        accepted = set(truth.options_of(name))
        return KnownOfClips(name, {k: v for k, v in shared.items() if k in accepted} | options)
    accepted = set(lookup.options_of("feature", name))
    if "n_mels" not in accepted:
        # The front end's lowest band edge, 0 Hz, is none of a pitch tracker or a constant-Q bank.
        accepted -= {"fmin_hz"}
    return lookup.load("feature", name, **{k: v for k, v in shared.items() if k in accepted} | options)


def _metrics(specs: str) -> tuple[ChosenMetric, ...]:
    chosen = [
        ChosenMetric(make_metric(name, **options), options) for name, options in lookup.parse_specs(specs)
    ]
    refuse_repeats("score.metrics", [one.metric.name for one in chosen])
    return tuple(chosen)


def _null(options: Config, seed: int) -> NullOptions | None:
    if options.null == "none" or options.replicates == 0:
        return None
    return NullOptions(
        kind=options.null,
        metrics=tuple(comma_list(options.null_metrics)),
        views=tuple(comma_list(options.null_views)),
        replicates=options.replicates,
        seed=seed,
        level=options.level,
    )


def _scored(options: Config, null: NullOptions | None) -> Scored:
    asked = tuple(comma_list(options.networks))
    activations = Path(options.activations).expanduser() if options.activations else None
    return Scored(
        split=options.split,
        networks=asked if activations is None else (EXTERNAL, *(n for n in asked if n == "input")),
        checkpoints=options.checkpoints,
        layers=options.layers,
        views=tuple(comma_list(options.views)),
        neurons=options.neurons,
        grid=options.grid,
        part=options.part,
        nuisances=tuple(comma_list(options.nuisances)),
        null=null,
        activations=activations,
        external_features=tuple(Path(p).expanduser() for p in comma_list(options.external_features)),
        batch_size=options.batch_size,
        memory_bytes=int(options.memory_gib * 2**30),
    )


def _subtracted(path: Path, bands: int) -> tuple[tuple[float, ...], ...]:
    """Reads the image of `frontend.subtract`, hashable as a front end is."""
    if not path.exists():
        raise FileNotFoundError(f"frontend.subtract: there is no file {path}; give a .npy [mel, frame]")
    try:
        stored = npy.read_npy(path, path.stem)
    except files.FileError as error:
        raise ValueError(f"frontend.subtract: {error}") from error
    if len(stored.shape) != 2 or stored.shape[0] != bands or not 0 < stored.shape[1] <= LONGEST_IMAGE:
        raise ValueError(f"frontend.subtract: expected {bands} bands x frames, got {stored.shape} in {path}")
    image = stored.all(bands * LONGEST_IMAGE * stored.dtype.itemsize) if stored.dtype.kind in "fiu" else None
    with np.errstate(over="ignore"):
        narrow = None if image is None else image.astype(np.float32)
    if narrow is None or not np.isfinite(narrow).all():
        raise ValueError(f"frontend.subtract: expected finite numbers, got others ({stored.dtype}) in {path}")
    return tuple(map(tuple, narrow.tolist()))


@functools.cache
def band_centres_hz(front: Frontend) -> np.ndarray:
    """[bands] centre frequencies of the network's input; NaN of the wave's one."""
    if front.takes == "wave":
        return np.full(1, np.nan)
    return dsp.mel_centres_hz(front.sample_rate_hz, front.n_mels, front.fmin_hz, front.fmax_hz)


def image_shape(front: Frontend, clip_samples: int) -> tuple[int, int]:
    """(bands, frames) of the network's input for a clip."""
    wave = jax.ShapeDtypeStruct((clip_samples,), jnp.float32)
    bands, frames = jax.eval_shape(lambda wave_s: dsp.network_input(wave_s, front), wave).shape
    return bands, frames
