"""A made-up workdir: scores with planted pairs, and all else that a report reads."""

import json

import numpy as np

from actjax.report.scores import score_block, write_scores

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
                    yield score_block({"score": score}, n_observations=400, **labels)
                if layer != "embedding" and rows > 1:
                    score = np.clip(rng.beta(2, 9, (neurons, 1)) + plant, 0, 1)
                    score[0] = np.nan
                    labels |= {"view": "map", "part": "within", "metric": "cka"}
                    error = np.full((neurons, 1), 0.01)
                    outputs = {"score": score, "std_error": error}
                    yield score_block(outputs, n_observations=90, whole_feature=True, **labels)


def examples(seed=0):
    """Map pictures in the format of actjax.report.material."""
    rng = np.random.default_rng(seed)
    t = np.arange(64)
    arrays = {}
    notes = np.repeat(rng.integers(0, 12, 8), 8)
    upward = (np.arange(12)[:, None] - notes) % 12
    chroma = np.exp(-0.8 * np.minimum(upward, 12 - upward))
    places = np.arange(24)[:, None] - 4 - notes / 2
    fading = 1 - t % 8 / 12
    partials = fading * sum(np.exp(-((places - 5 * h) ** 2)) / (1 + h) for h in range(4))
    item = 0
    for feature, matrix in (("chroma_stft", chroma), ("harmonic", partials)):
        for network, noise in (("trained", 0.1), ("untrained", 0.6), ("input", 0.4)):
            image = matrix + noise * rng.normal(size=matrix.shape)
            about = {
                "network": network,
                "layer": "input" if network == "input" else "conv3",
                "neuron": 3 + item,
                "feature": feature,
                "view": "map",
                "metric": "cka",
                "score": 0.9 - noise,
                "clip_id": "test-00012",
                "map_hz": list(100.0 * 1.2 ** np.arange(len(matrix))),
                "feature_hz": None if feature == "chroma_stft" else list(100.0 * 1.2 ** np.arange(24)),
                "row_names": PITCHES if feature == "chroma_stft" else None,
                "times_s": list(0.02 + t * 0.0427),
            }
            arrays[f"{item}_map"] = image.astype(np.float32)
            arrays[f"{item}_feature"] = matrix.astype(np.float32)
            arrays[f"{item}_json"] = np.array(json.dumps(about))
            item += 1
    return arrays


def write_workdir(workdir, seed=0, **kwargs):
    """Everything that a report reads."""
    config = {"model": {"name": "vgg"}, "train": {"steps": 400, "seed": seed}, "dataset": "made-up"}
    metadata = {"config": config, "step": 400}
    write_scores(workdir / "scores" / "main.parquet", list(blocks(seed, **kwargs)), metadata)
    np.savez(workdir / "scores" / "examples.npz", **examples(seed))
    rng = np.random.default_rng(seed)
    confusion = rng.poisson(0.6, (6, 6)) + np.diag(rng.integers(15, 25, 6))
    accuracy = float(np.trace(confusion) / confusion.sum())
    evaluation = {"accuracy": accuracy, "loss": 0.31, "class_names": CLASSES, "confusion": confusion.tolist()}
    (workdir / "evaluation.json").write_text(json.dumps(evaluation))
    lines = []
    for step in range(10, 401, 10):
        loss = 1.8 * np.exp(-step / 90) + 0.05 * rng.random()
        lines.append({"step": step, "split": "train", "loss": loss, "accuracy": 1 - loss / 2})
        if step % 50 == 0:
            lines.append(
                {"step": step, "split": "validation", "loss": loss + 0.15, "accuracy": 0.93 - loss / 2}
            )
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    skipped = [("a/broken.wav", "empty file"), ("b/silent.wav", "silent")]
    skipped = [{"clip": clip, "reason": reason} for clip, reason in skipped]
    (workdir / "skipped.json").write_text(json.dumps(skipped))
    (workdir / "config.json").write_text(json.dumps(config))
    return workdir
