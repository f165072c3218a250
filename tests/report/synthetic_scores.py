"""A made-up workdir: scores with planted pairs, and all else that a report reads."""

import numpy as np

from actjax.defaults import default_config
from actjax.scores.files import score_block, write_scores
from actjax.types import LeftOut
from actjax.workdir import curve, evaluation_record, examples, left_out, recorded_config, skipped
from actjax.workdir.evaluation_record import Evaluation
from actjax.workdir.examples import Example
from actjax.workdir.skipped import Skipped

FEATURES = {
    "log_mel": 24,
    "harmonic": 24,
    "percussive": 24,
    "chroma_stft": 12,
    "mfcc": 20,
    "rms": 1,
    "loudness_a_weighted": 1,
    "spectral_centroid": 1,
    "onset_strength": 1,
    "onset_rate": 1,
}
LAYERS = {
    "conv1": (0.2, 32),
    "conv2": (0.4, 48),
    "conv3": (0.6, 64),
    "conv4": (0.8, 64),
    "embedding": (1.0, 128),
}
PITCHES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
CLASSES = ["accordion", "cello", "chamber", "flute", "guitar", "piano"]
# Typical size of a layer's scores for each network, and the bonus that training plants in one unit.
LEVEL = {"trained": 0.18, "untrained": 0.15, "input": 0.2}
PLANTS = {("conv4", "chroma_stft"): 0.35, ("embedding", "onset_rate"): 0.4, ("conv2", "harmonic"): 0.2}


def row_names(feature, rows):
    """As features name their rows."""
    if rows == 12:
        return PITCHES
    return [feature] if rows == 1 else [f"{feature}_{i}" for i in range(rows)]


def blocks(seed=0, layers=LAYERS, features=FEATURES, networks=tuple(LEVEL)):
    """Score blocks for the clip, frame and map views."""
    rng = np.random.default_rng(seed)
    for network in networks:
        own = {"input": (0.0, 24)} if network == "input" else layers
        for layer, (depth, neurons) in own.items():
            for feature, rows in features.items():
                labels = {"network": network, "layer": layer, "depth": depth, "feature": feature}
                plant = PLANTS.get((layer, feature), 0.0) if network == "trained" else 0.0
                for view, part in (("clip", "between"), ("frame", "within")):
                    if view == "frame" and (layer == "embedding" or feature == "onset_rate"):
                        continue
                    score = np.clip(rng.normal(0, LEVEL[network], (neurons, rows)), -0.95, 0.95)
                    score[neurons // 2, rows // 2] -= plant + 0.3 * (plant > 0)
                    labels |= {"view": view, "part": part, "metric": "pearson"}
                    error = (1 - score**2) / 20
                    outputs = {"score": score, "std_error": error, "p_maxt": np.full_like(score, 0.01)}
                    outputs |= {"ci_low": score - 2 * error, "ci_high": score + 2 * error}
                    yield score_block(
                        outputs, n_observations=400, row_names=row_names(feature, rows), **labels
                    )
                if layer != "embedding" and rows > 1:
                    score = np.clip(rng.beta(2, 9, (neurons, 1)) + plant, 0, 1)
                    score[0] = np.nan
                    labels |= {"view": "map", "part": "within", "metric": "cka"}
                    error = np.full((neurons, 1), 0.01)
                    outputs = {"score": score, "std_error": error}
                    yield score_block(outputs, n_observations=90, whole_feature=True, **labels)


def make_examples(seed=0):
    """Maps beside features, as the score stage keeps them."""
    rng = np.random.default_rng(seed)
    t = np.arange(64)
    made = []
    notes = np.repeat(rng.integers(0, 12, 8), 8)
    upward = (np.arange(12)[:, None] - notes) % 12
    chroma = np.exp(-0.8 * np.minimum(upward, 12 - upward))
    places = np.arange(24)[:, None] - 4 - notes / 2
    fading = 1 - t % 8 / 12
    partials = fading * sum(np.exp(-((places - 5 * h) ** 2)) / (1 + h) for h in range(4))
    for feature, matrix in (("chroma_stft", chroma), ("harmonic", partials)):
        for network, noise in (("trained", 0.1), ("untrained", 0.6), ("input", 0.4)):
            image = matrix + noise * rng.normal(size=matrix.shape)
            has_names = feature == "chroma_stft"
            frequencies = list(100.0 * 1.2 ** np.arange(24))
            made.append(
                Example(
                    image.astype(np.float32),
                    matrix.astype(np.float32),
                    network=network,
                    layer="input" if network == "input" else "conv3",
                    neuron=3 + len(made),
                    feature=feature,
                    metric="cka",
                    score=0.9 - noise,
                    clip_id="test-00012",
                    times_s=list(0.02 + t * 0.0427),
                    map_hz=list(100.0 * 1.2 ** np.arange(len(matrix))),
                    feature_hz=None if has_names else frequencies,
                    row_names=PITCHES if has_names else None,
                )
            )
    return made


def write_workdir(workdir, seed=0, **kwargs):
    """Everything that a report reads."""
    metadata = {"config": {"model": {"name": "vgg"}}, "step": 400, "recordings": 400}
    scores = write_scores(workdir / "scores" / "main.parquet", list(blocks(seed, **kwargs)), metadata)
    examples.write(examples.path_of(scores), make_examples(seed))
    reason = "conv4 and log_mel share 2 bands"
    left_out.write(left_out.path_of(scores), [LeftOut("conv4", "map", "log_mel", reason)])
    rng = np.random.default_rng(seed)
    confusion = rng.poisson(0.6, (6, 6)) + np.diag(rng.integers(15, 25, 6))
    accuracy = float(np.trace(confusion) / confusion.sum())
    evaluation_record.write(workdir, Evaluation(accuracy, 0.31, CLASSES, confusion, int(confusion.sum())))
    with curve.open_at(workdir, 0) as lines:
        for step in range(10, 401, 10):
            loss = 1.8 * np.exp(-step / 90) + 0.05 * rng.random()
            lines.write(curve.line(step, "train", {"loss": loss, "accuracy": 1 - loss / 2}))
            if step % 50 == 0:
                values = {"loss": loss + 0.15, "accuracy": 0.93 - loss / 2}
                lines.write(curve.line(step, "eval", values))
    skipped.write(workdir, [Skipped("a/broken.wav", "empty file"), Skipped("b/silent.wav", "silent")])
    config = default_config()
    config.train.steps = 400
    recorded_config.write(workdir, "report", config.to_dict())
    return workdir
