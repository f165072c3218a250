"""Mean activations from Python: over the signal and not its padding, and of the weights that are there."""

from types import SimpleNamespace

import numpy as np
import pytest

from actjax.data.source import Source
from actjax.results import strongest
from actjax.types import Frontend

RATE, SAMPLES = 8_000, 8_000


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The input of three clips of noise, of which the second ends half way."""
    waves = np.random.default_rng(0).normal(size=(3, SAMPLES)).astype(np.float32) * 0.1
    waves[1, SAMPLES // 2 :] = 0
    source = Source(
        reader=[{"audio": wave} for wave in waves],
        clip_ids=["a", "b", "c"],
        recording_ids=["a", "b", "c"],
        labels=np.asarray([0, 1, 0], np.int32),
        class_names=("x", "y"),
        sample_rate_hz=RATE,
        clip_samples=SAMPLES,
        fingerprint="01",
        lengths=np.asarray([SAMPLES, SAMPLES // 2, SAMPLES]),
    )
    front = Frontend(RATE, n_fft=256, hop_samples=80, n_mels=8)
    scored = SimpleNamespace(split="test", batch_size=2)
    setup = SimpleNamespace(scored=scored, analysis=front, analysis_shape_ft=(8, 101))
    opened = []

    def open_run(*_):
        opened.append(1)
        return SimpleNamespace(setup=setup, open_source=lambda _: source)

    monkeypatch.setattr(strongest, "_opened", open_run)
    return tmp_path, opened


def test_padding_does_not_count(run):
    means_bn = strongest.activations(run[0], None, "input", "bands")
    assert means_bn.shape == (3, 9)
    # Half a clip of the same noise is as loud; with its silence it would be tens of decibels below.
    assert np.abs(means_bn[1] - means_bn[[0, 2]].mean(0)).max() < 3


def test_new_weights_are_read_and_old_ones_once(run, monkeypatch):
    workdir, opened = run
    for weights, times in (("one", 1), ("one", 1), ("two", 2)):
        monkeypatch.setattr(strongest.train_record, "read", lambda _, w=weights: SimpleNamespace(weights=w))
        strongest.activations(workdir, None, "input", "image")
        assert len(opened) == times
