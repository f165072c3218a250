"""Every option of a run, with its default and what it may be; a config file changes some of them."""

from collections.abc import Mapping
from typing import Any

import ml_collections

from actjax import lookup
from actjax.lookup import Specs
from actjax.options import COUNT, RANGES, SEED, Choice, Flag, Maybe, Names, Number, Pattern, Steps, Text
from actjax.types import PRECISIONS, VIEWS

# An ml_collections.ConfigDict, frozen or not; its options are attributes that only the running program knows.
Config = Any
FROM_0 = Number(0, COUNT.high, whole=True)
# What each option may be by itself; what several must be together is checked where they meet.
RULES = {
    "seed": SEED,
    "weights": Text(),
    "classes": Names(),
    "tracking": Names(("wandb", "mlflow")),
    "data.name": Specs(most=1),
    "data.config": Text(),
    "data.clip_seconds": RANGES["clip_seconds"],
    "data.sample_rate_hz": RANGES["sample_rate_hz"],
    "data.seed": SEED,
    "frontend.n_fft": RANGES["n_fft"],
    "frontend.hop_samples": RANGES["hop_samples"],
    "frontend.n_mels": RANGES["n_mels"],
    "frontend.fmin_hz": Number(0, 384_000),
    "frontend.squared": Flag(),
    "frontend.compression": Choice(("db", "log10(1 + 10000 x)")),
    "frontend.floor": Number(above=0, high=1),
    "frontend.top_db": Maybe(RANGES["top_db"]),
    "frontend.offset": Number(-1000, 1000),
    "frontend.scale": Number(above=0, high=1000),
    "frontend.subtract": Text(),
    "model.name": Specs(most=1),
    "train.steps": COUNT,
    "train.batch_size": COUNT,
    "train.optimizer": Choice(("adam", "adamw", "sgd")),
    "train.learning_rate": Number(above=0, high=1e38),
    "train.schedule": Choice(("constant", "cosine", "halving")),
    "train.warmup_steps": FROM_0,
    "train.halve_epochs": COUNT,
    "train.weight_decay": Number(0, 1e38),
    "train.label_smoothing": Number(0, below=1),
    "train.precision": Choice(("float32", "bfloat16")),
    "train.eval_every": FROM_0,
    "train.log_every": COUNT,
    "train.patience": FROM_0,
    "train.monitor": Choice(("loss", "accuracy")),
    "train.keep": Choice(("none", "log", "all")),
    "train.shuffled_labels": Flag(),
    "train.population": COUNT,
    "score.split": Text(some=True, plain=True),
    "score.networks": Names(("trained", "untrained", "input")),
    "score.checkpoints": Steps(("log", "all")),
    "score.layers": Pattern(),
    "score.features": Specs(),
    "score.external_features": Names(),
    "score.activations": Text(),
    "score.metrics": Specs(),
    "score.nuisances": Names(),
    "score.views": Names(VIEWS, least=1),
    "score.neurons": Choice(("channel", "channel_freq")),
    "score.grid": Choice(("time", "seed")),
    "score.part": Choice(("within", "total")),
    "score.null": Choice(("within_class", "unrestricted", "circular_shift", "none")),
    "score.replicates": Number(0, 10**6, whole=True),
    "score.null_metrics": Names(),
    "score.null_views": Names(VIEWS),
    "score.level": Number(above=0, below=1),
    "score.batch_size": COUNT,
    "score.memory_gib": RANGES["memory_gib"],
    "score.precision": Choice(PRECISIONS),
    "hypotheses.file": Text(),
    "hypotheses.network": Text(),
    "benchmark.kind": Specs(most=1),
    "benchmark.full": Flag(),
    "findings.always": Flag(),
    "findings.untrained": Number(0, 1000, whole=True),
    "findings.label_control": Text(),
    "findings.rotations": Number(1, 10**4, whole=True),
    "findings.replicates": Number(1, 10**6, whole=True),
    "findings.bootstrap": Number(1, 10**6, whole=True),
    "findings.splits": Number(1, 10**4, whole=True),
    "report.examples": Number(0, 1000, whole=True),
    "sweep.engine": Choice(("embedded", "ray")),
    "sweep.address": Text(),
    "sweep.cpus": Number(above=0, high=10_000),
    "sweep.gpus": Number(0, 10_000),
    "sweep.retries": Number(0, 1000, whole=True),
    "report.atlas": Flag(),
}


def default_config() -> ml_collections.ConfigDict:
    """A complete, typed config; unknown keys fail.

    Options that name plug-ins are comma strings of `name` or `name(option=value)`, for example
    `--config.score.metrics="pearson,cka(kernel='rbf')"`.
    """
    config = ml_collections.ConfigDict()
    config.seed = 0  # one seed: initialisation, shuffling and dropout derive from it

    config.data = ml_collections.ConfigDict()
    config.data.name = "gm_instruments"  # a data set: python launch.py --list=datasets
    config.data.config = "small"  # its builder config
    config.data.clip_seconds = 3.0
    config.data.sample_rate_hz = 12000
    config.data.seed = 1907  # of rendered data sets: part of what they are, not of the run

    config.frontend = ml_collections.ConfigDict()  # wave -> the network's input image
    config.frontend.n_fft = 512
    config.frontend.hop_samples = 256
    config.frontend.n_mels = 96
    config.frontend.fmin_hz = 0.0
    config.frontend.squared = False
    config.frontend.compression = "db"  # or "log10(1 + 10000 x)" of the power, without floor and top_db
    config.frontend.floor = 1e-10
    config.frontend.top_db = 80.0
    config.frontend.offset = 40.0  # the image is (dB + offset) / scale
    config.frontend.scale = 20.0
    config.frontend.subtract = ""  # a .npy image [mel, frame] taken off last: a training set's mean, say

    config.model = ml_collections.ConfigDict()
    config.model.name = "vgg"  # a model: python launch.py --list=models

    config.weights = ""  # a Keras file of that model or its package, for --stage=import instead of training
    config.classes = ""  # what the outputs of those weights mean, in order: cel,pia,...
    config.tracking = ""  # who is told of curves and pictures beside TensorBoard: wandb, mlflow
    _training(config)
    _scoring(config)
    _reporting(config)
    return config


def check(config: Mapping[str, Any]) -> None:
    """Checks every option by itself.

    Raises:
      UnknownNameError: an option that does not exist.
      ValueError: one that is missing, of another kind, or out of its range; one line.
    """
    if not hasattr(config, "items"):
        raise ValueError(f"get_config() must return what default_config() makes, got {config!r}")
    flat = flattened(config)
    for option in flat.keys() - RULES.keys():
        raise lookup.UnknownNameError(f"unknown option {option!r}; {lookup.suggest(option, tuple(RULES))}")
    for option, rule in RULES.items():
        if option not in flat:
            raise ValueError(f"the config lacks {option}: begin with default_config()")
        rule(option, flat[option])


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"steps": 3}} -> {"train.steps": 3}."""
    out = {}
    for key, value in config.items():
        inner = hasattr(value, "items")
        out |= flattened(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return out


def _training(config: ml_collections.ConfigDict) -> None:
    """How the network is trained."""
    config.train = ml_collections.ConfigDict()  # see actjax.train.options.TrainOptions
    config.train.steps = 800
    config.train.batch_size = 32  # over all devices
    config.train.optimizer = "adamw"  # adam, adamw or sgd
    config.train.learning_rate = 2e-3
    config.train.schedule = "cosine"  # constant, cosine or halving
    config.train.warmup_steps = 120
    config.train.halve_epochs = 10  # for schedule "halving"
    config.train.weight_decay = 1e-2
    config.train.label_smoothing = 0.1
    config.train.precision = "float32"  # or bfloat16: products and activations; all else stays float32
    config.train.eval_every = 100  # steps; 0 for once an epoch
    config.train.log_every = 20  # steps
    config.train.patience = 10  # evaluations without a better one before training stops; 0 never
    config.train.monitor = "loss"  # or accuracy
    config.train.keep = "none"  # the weights of which evaluations stay, for score.checkpoints: none, log, all
    config.train.shuffled_labels = False  # a control: labels permuted among the training clips, by the seed
    # Networks trained in one program: of a sweep's variants those that differ in seed, learning rate, weight
    # decay or label smoothing alone; without --stage=sweep as many seeds from `seed` on.
    config.train.population = 1


def _scoring(config: ml_collections.ConfigDict) -> None:
    """What is compared, how, and against which null."""
    config.score = ml_collections.ConfigDict()
    config.score.split = "test"
    config.score.networks = "trained,untrained,input"
    # What also is scored of the weights that training kept (train.keep): all, log, or steps, 100,800.
    config.score.checkpoints = ""
    config.score.layers = ".*"  # a regular expression that a layer's whole name matches
    # Features (--list=features), and what the data set knows: labels, truth_onset_rate, truth_tempo,
    # truth_pitch_classes, truth_gain; of sample packs truth_note, truth_note_class, truth_dynamics. Labels
    # want null=unrestricted: within a class they do not vary.
    config.score.features = "log_mel,harmonic,percussive,chroma_stft,rms"
    config.score.external_features = ""  # files of further features by clip id: .csv, .parquet, .npz ...
    config.score.activations = ""  # a file of activations made elsewhere, instead of the run's networks
    config.score.metrics = "pearson"
    config.score.nuisances = ""  # features held fixed by partial_pearson: loudness_a_weighted, say
    config.score.views = "clip,frame,map"
    config.score.neurons = "channel"  # or channel_freq
    config.score.grid = "time"  # or seed
    config.score.part = "within"  # frame and map views: within or total
    # Recordings permuted: within_class or unrestricted; clips rotated in time: circular_shift, which rejects
    # too often where clips share an onset envelope; or none.
    config.score.null = "within_class"
    config.score.replicates = 200  # of the null; 0 for none
    config.score.null_metrics = "pearson"  # any of score.metrics; --dry_run says what their nulls cost
    config.score.null_views = (
        "clip,frame"  # where they get p-values; metrics of the map view alone get them there
    )
    config.score.level = 0.05  # the smallest p-value that the null must resolve
    config.score.batch_size = 32
    config.score.memory_gib = 1.0
    config.score.precision = (
        "fast"  # of products on accelerators: exact, fast (1e-6) or tf32; a CPU's are exact
    )


def _reporting(config: ml_collections.ConfigDict) -> None:
    """Benchmarks, findings and the report."""
    config.hypotheses = ml_collections.ConfigDict()  # what named units must follow, written down beforehand
    config.hypotheses.file = ""  # a .csv, such as configs/outside.csv
    config.hypotheses.network = ""  # whose hypotheses of that file

    config.benchmark = ml_collections.ConfigDict()  # for --stage=benchmark
    config.benchmark.kind = "speed"  # a module of actjax/benchmark, with options: speed(neurons=512)
    config.benchmark.full = False  # large shapes, everything; takes long

    config.findings = ml_collections.ConfigDict()  # the four findings, trained against controls
    config.findings.always = False  # in a run of any data; on request, by --stage=findings, where False
    config.findings.untrained = 3  # initialisations, the first its own, and shuffles; 0 leaves the stage out
    config.findings.label_control = ""  # a workdir beside this one, trained with train.shuffled_labels
    config.findings.rotations = 20  # random rotations of each layer's channels
    config.findings.replicates = 200  # of the within-class permutation
    config.findings.bootstrap = 1000  # resamples of the recordings, for intervals
    config.findings.splits = 5  # random halves: units are chosen on one, reported on the other

    config.sweep = ml_collections.ConfigDict()  # for --stage=sweep
    config.sweep.engine = "embedded"  # one trial after another; or ray: over the nodes of a cluster
    config.sweep.address = ""  # of the Ray cluster; "" starts one on this machine, "auto" finds a running one
    config.sweep.cpus = 2.0  # of each trial on Ray
    config.sweep.gpus = 0.0
    config.sweep.retries = 1  # of a trial that fails; it goes on from its checkpoint

    config.report = ml_collections.ConfigDict()
    config.report.examples = 6  # map-view pairs shown as pictures, which are drawn while scoring
    config.report.atlas = True  # a page beside the report that plays what drives each neuron
