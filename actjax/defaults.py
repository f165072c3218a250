"""Every option of a run, with its default; a config file changes some of them."""

import ml_collections


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
    config.frontend.floor = 1e-10
    config.frontend.top_db = 80.0
    config.frontend.offset = 40.0  # the image is (dB + offset) / scale
    config.frontend.scale = 20.0
    config.frontend.subtract = ""  # a .npy image [mel, frame] taken off last: a training set's mean, say

    config.model = ml_collections.ConfigDict()
    config.model.name = "vgg"  # a model: python launch.py --list=models

    config.weights = ""  # a Keras file of that model, for --stage=import instead of training
    config.classes = ""  # what the outputs of those weights mean, in order: cel,pia,...
    _training(config)
    _scoring(config)
    _rest(config)
    return config


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
    config.train.eval_every = 100  # steps
    config.train.log_every = 20  # steps
    config.train.patience = 10  # evaluations without a better one before training stops; 0 never
    config.train.monitor = "loss"  # or accuracy
    config.train.shuffled_labels = False  # a control: labels permuted among the training clips, by the seed


def _scoring(config: ml_collections.ConfigDict) -> None:
    """What is compared, how, and against which null."""
    config.score = ml_collections.ConfigDict()
    config.score.split = "test"
    config.score.networks = "trained,untrained,input"
    config.score.layers = ".*"  # a regular expression that a layer's whole name matches
    # Features (--list=features), and what the data set knows: labels, truth_onset_rate, truth_tempo,
    # truth_pitch_classes, truth_gain. Labels want null=unrestricted: within a class they do not vary.
    config.score.features = "log_mel,harmonic,percussive,chroma_stft,rms"
    config.score.external_features = ""  # files of further features by clip id: .csv, .parquet, .npz ...
    config.score.activations = ""  # a file of activations made elsewhere, instead of the run's networks
    config.score.metrics = "pearson"
    config.score.nuisances = ""  # features held fixed by partial_pearson: loudness_a_weighted, say
    config.score.views = "clip,frame,map"
    config.score.neurons = "channel"  # or channel_freq
    config.score.grid = "time"  # or seed
    config.score.part = "within"  # frame and map views: within or total
    config.score.null = "within_class"  # recordings permuted: within_class, unrestricted or none
    config.score.replicates = 200  # of the null; 0 for none
    config.score.null_metrics = "pearson"  # metrics that get p-values in the clip and frame views
    config.score.level = 0.05  # the smallest p-value that the null must resolve
    config.score.batch_size = 32
    config.score.memory_gib = 1.0


def _rest(config: ml_collections.ConfigDict) -> None:
    """Benchmarks, findings and the report."""
    config.benchmark = ml_collections.ConfigDict()  # for --stage=benchmark
    config.benchmark.kind = "speed"  # a module of actjax/benchmark, with options: speed(neurons=512)
    config.benchmark.full = False  # large shapes, everything; takes long

    config.findings = ml_collections.ConfigDict()  # the four findings, trained against controls
    config.findings.untrained = 3  # initialisations, the first its own, and shuffles; 0 leaves the stage out
    config.findings.label_control = ""  # a workdir beside this one, trained with train.shuffled_labels
    config.findings.rotations = 20  # random rotations of each layer's channels
    config.findings.replicates = 200  # of the within-class permutation
    config.findings.bootstrap = 1000  # resamples of the recordings, for intervals
    config.findings.splits = 5  # random halves: units are chosen on one, reported on the other

    config.report = ml_collections.ConfigDict()
    config.report.examples = 6  # map-view pairs shown as pictures
