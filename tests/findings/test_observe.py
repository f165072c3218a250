"""The findings' pass over clips reads features of the host, and refuses activations that are not finite."""

import types

import numpy as np
import pytest

from actjax import lookup
from actjax.activations import comparisons
from actjax.data.loader import Source
from actjax.findings import observe
from actjax.scoring.networks import Network
from actjax.types import Feature, Frontend, Layer

SAMPLES, CLIPS = 4096, 6
FRONT = Frontend(sample_rate_hz=12_000, n_mels=8)


class Loudest:
    """A network whose only layer is the image's largest value, scaled."""

    def apply(self, variables, image_bft, train):
        return None, {"units": image_bft.max(axis=(1, 2))[:, None] * variables["scale"]}


def hosted(name, **options):
    """A feature of the shelf, computed on the host."""
    made = lookup.load("feature", name, **options)
    fields = {field: getattr(made, field) for field in made.__dataclass_fields__}
    return Feature(**{**fields, "host": True, "fn": lambda wave: tuple(map(np.asarray, made.fn(wave)))})


@pytest.fixture
def collected():
    reader = [{"audio": np.full(SAMPLES, 0.1 * (i + 1), np.float32)} for i in range(CLIPS)]
    names = [f"c{i}" for i in range(CLIPS)]
    source = Source(reader, names, names, np.zeros(CLIPS, np.int32), ("x",), 12_000, SAMPLES, "fingerprint")
    rms = hosted("rms", sample_rate_hz=12_000, n_fft=512, hop_samples=256)
    setting = comparisons.Setting(FRONT, np.arange(1.0, 9.0), SAMPLES, frozenset({("clip", False)}))
    problems = tuple(comparisons.plan([Layer("units", neurons=1, depth=1.0)], [rms], setting)[0])
    planned = observe.Planned(FRONT, FRONT, {"rms": rms}, problems, (), [])
    module = Loudest()
    network = Network(module, module, FRONT, (8, 17), ".*", None, 0, 4)
    setup = types.SimpleNamespace(scored=types.SimpleNamespace(batch_size=4))
    return lambda weights: observe.collect(setup, planned, network, source, weights)


def test_features_of_the_host_stand_beside_the_neurons(collected):
    scale = np.ones((1, 1), np.float32)
    [side] = collected({"trained": {"scale": scale}, "untrained-0": {"scale": 2 * scale}}).networks["clip"]
    np.testing.assert_allclose(side.y_bok[:, 0, 0], 0.1 * np.arange(1, CLIPS + 1), rtol=0.05)
    assert (np.diff(side.x["trained"][:, 0, 0]) > 0).all()
    np.testing.assert_allclose(side.x["untrained-0"], 2 * side.x["trained"], rtol=1e-6)


def test_a_network_with_activations_that_are_not_finite_is_refused(collected):
    finite, broken = {"scale": np.ones((1, 1), np.float32)}, {"scale": np.full((1, 1), np.inf, np.float32)}
    line = "finite activations, got NaN or infinity in network shuffled-0, layer units, neuron 0, clip c0"
    with pytest.raises(ValueError, match=line):
        collected({"trained": finite, "shuffled-0": broken})
