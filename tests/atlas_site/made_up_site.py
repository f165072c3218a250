"""A made-up atlas by the real writers: scores with planted pairs, hostile names, short sounds."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from actjax.atlas_site import chosen, described, shown, site
from actjax.atlas_site.activity import Heard
from actjax.report.neurons import best_of_neurons
from actjax.report.summary import summarise
from actjax.scores.files import load_scores, write_scores
from actjax.types import Frontend, Layer, LayerAxis
from actjax.workdir.ablation import AblatedLayer, Ablation
from actjax.workdir.clip_activations import ClipActivations

sys.path += [str(Path(__file__).parents[1] / "report")]

RATE, SECONDS, CLIPS = 8000, 1.0, 12
HOSTILE = "<img src=x onerror=window.broken=1>"
CLASSES = ["piano", f"b</script>{HOSTILE}"]
LAYERS = {"conv1": (0.3, 6), f"c/{HOSTILE}": (0.6, 8), "embedding": (1.0, 10)}
FEATURES = {"rms": 1, "chroma_stft": 12}


def write(workdir: Path, layers=LAYERS, clips=CLIPS) -> Path:
    """The page's path."""
    from synthetic_scores import blocks

    rng = np.random.default_rng(0)
    made = blocks(layers=layers, features=FEATURES)
    write_scores(workdir / "scores" / "a.parquet", list(made), {"recordings": clips})
    table = load_scores(workdir)
    summary = summarise(table)
    scored = site.Scored(table, summary, best_of_neurons(table, summary))
    means = {
        network: {
            name: np.abs(rng.normal(size=(clips, n))).astype(np.float32) for name, (_, n) in layers.items()
        }
        for network in ("trained", "untrained")
    }
    means["trained"]["conv1"][:, 0] = 0.5
    ids = [f"{i}{HOSTILE}" for i in range(clips)]
    kept = ClipActivations("01", ids, np.arange(clips) % 2, CLASSES, means)
    opened = network(layers)
    folder = site.empty_folder(workdir / "report" / "atlas")
    pool = chosen.pool_of(list(means["trained"].values()))
    of_neurons = {name: chosen.clips_of(of_layer, pool) for name, of_layer in means["trained"].items()}
    heard = (hear(clip, opened, rng) for clip in pool)
    features = [made_feature("rms", 1), made_feature("chroma_stft", 12)]
    beside = described.resembled(summary)
    asked = shown.wanted(opened, of_neurons, scored.best, summary, features, beside)
    pictured = shown.write_clips(folder, heard, asked)
    spans = [[0.05, 0.95] if layer.is_map else None for layer in opened.layers]
    about_layers = [
        {"name": layer.name, "depth": layer.depth, "neurons": layer.neurons, "span": span}
        for layer, span in zip(opened.layers, spans, strict=True)
    ]
    run_info = site.RunInfo(f"Atlas of {HOSTILE}", SECONDS, {"data": HOSTILE}, about_layers)
    return site.write_site(folder, scored, kept, pool, pictured, run_info, ablation(layers))


def network(layers):
    """What the writers need of what is listened to: where its layers' cells lie."""
    front = Frontend(sample_rate_hz=RATE, hop_samples=256)
    frames = int(SECONDS * RATE) // 256 + 1
    time, bands = LayerAxis.of_input(frames), LayerAxis.of_input(24)
    own = tuple(
        Layer(name, n, depth, *((None, None) if name == "embedding" else (bands, time)))
        for name, (depth, n) in layers.items()
    )
    return SimpleNamespace(front=front, seconds=frames * 256 / RATE, layers=own)


def hear(clip, opened, rng):
    """A tone of its own pitch."""
    frames = round(opened.seconds * RATE / 256)
    wave = 0.3 * np.sin(2 * np.pi * 220 * (1 + clip % 12) * np.arange(int(RATE * SECONDS)) / RATE)
    outputs = {
        layer.name: np.abs(rng.normal(size=(24, frames, layer.neurons) if layer.is_map else layer.neurons))
        for layer in opened.layers
    }
    values = {
        name: (rng.normal(size=(rows, frames)), np.arange(frames) > 2)
        for name, rows in (("rms", 1), ("chroma_stft", 12))
    }
    return Heard(int(clip), wave.astype(np.float32), rng.normal(size=(24, frames)), outputs, values)


def made_feature(name, rows):
    return SimpleNamespace(name=name, rows=rows, hop_samples=256, sample_rate_hz=RATE, first_frame_s=0.0)


def ablation(layers):
    """Changes that are easy to tell: neuron n costs n hundredths of a nat."""

    def of(n):
        loss = np.arange(n) / 100
        return AblatedLayer(loss, loss - 0.1, loss + 0.1, np.full(n, 0.25), np.tile([[0.1, -0.1]], (n, 1)))

    of_network = {name: of(n) for name, (_, n) in layers.items()}
    slopes = {name: {"gain": np.linspace(-1, 1, n)} for name, (_, n) in layers.items()}
    return Ablation(
        "01",
        tuple(CLASSES),
        {"trained": of_network, "untrained": of_network},
        {"trained": slopes, "untrained": slopes},
    )


def workdir_of(page: str) -> Path:
    """The folder that `write` was given, of its page's address."""
    return Path(page.removeprefix("file://")).parents[2]
