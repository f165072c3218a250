"""Parameter counts of the published sizes, from their descriptions and not from our code."""

import math

import jax
import jax.numpy as jnp
import pytest

from actjax import lookup


def conv(f, t, inputs, filters, bias=True):
    return f * t * inputs * filters + bias * filters


def separable(f, t, inputs, filters):
    return f * t * inputs + inputs * filters


def norm(channels):
    return 2 * channels


def timbre(heights):
    widths = {1: 128, 3: 64, 5: 32}
    return sum(conv(m, t, 1, n) + norm(n) for m in heights for t, n in widths.items())


def xception(classes):
    total = conv(48, 3, 1, 64, False) + norm(64) + conv(3, 3, 64, 64, False) + norm(64)
    for inputs, width, (f, t) in ((64, 128, (3, 24)), (128, 256, (3, 3)), (256, 728, (3, 3))):
        total += separable(f, t, inputs, width) + separable(f, t, width, width)
        total += conv(1, 1, inputs, width, False) + 3 * norm(width)
    total += 12 * (separable(3, 3, 728, 728) + norm(728))
    total += separable(3, 3, 728, 728) + norm(728) + separable(3, 3, 728, 1024) + norm(1024)
    total += conv(1, 1, 728, 1024, False) + norm(1024)
    return total + conv(1, 1, 1024, classes)


def choi_blocks():
    blocks = ((1, 64), (64, 128), (128, 128), (128, 128))
    return norm(1) + sum(conv(3, 3, a, b) + norm(b) for a, b in blocks)


def gru(inputs, units):
    """Three gates, input and recurrent kernels, four biases (flax adds no second one to two gates)."""
    return 3 * inputs * units + 3 * units * units + 4 * units


def resnet(classes):
    total, inputs = conv(7, 7, 1, 64, False) + norm(64), 64
    for width in (64, 128, 256, 512):
        total += conv(3, 3, inputs, width, False) + 3 * conv(3, 3, width, width, False) + 4 * norm(width)
        total += 0 if inputs == width else conv(1, 1, inputs, width, False) + norm(width)
        inputs = width
    return total + conv(1, 1, 512, classes)


HAN = sum(conv(3, 3, a, b) + conv(3, 3, b, b) for a, b in ((1, 32), (32, 64), (64, 128), (128, 256)))
MULTI = conv(3, 3, 448, 128) + conv(3, 3, 128, 128) + 2 * norm(128) + conv(1, 1, 128, 256)
MUSICNN = norm(1) + conv(38, 7, 1, 204) + conv(67, 7, 1, 204) + 2 * norm(204) + 3 * norm(51) + 3 * norm(64)
MUSICNN += sum(conv(1, n, 1, 51) for n in (128, 64, 32)) + conv(1, 7, 561, 64) + 2 * conv(1, 7, 64, 64)
MUSICNN += norm(1506) + conv(1, 1, 1506, 200) + norm(200) + conv(1, 1, 200, 50)
MUSICNN_VGG = norm(1) + conv(3, 3, 1, 128) + 4 * conv(3, 3, 128, 128) + 4 * norm(128) + conv(1, 1, 256, 50)
CREPE = conv(512, 1, 1, 128) + sum(
    conv(64, 1, a, b) for a, b in ((128, 16), (16, 16), (16, 16), (16, 32), (32, 64))
)
CREPE += sum(map(norm, (128, 16, 16, 16, 32, 64))) + conv(1, 1, 256, 360)
BASIC_PITCH = norm(1) + conv(39, 3, 8, 8, False) + norm(8) + conv(5, 5, 8, 1) + conv(7, 7, 1, 32)
BASIC_PITCH += conv(3, 7, 32, 1) + conv(5, 5, 8, 32, False) + norm(32) + conv(3, 3, 33, 1)
VGG = conv(5, 5, 1, 24, False) + sum(conv(3, 3, a, b, False) for a, b in ((24, 32), (32, 48), (48, 64)))
VGG += sum(map(norm, (24, 32, 48, 64))) + conv(1, 1, 2 * 6 * 64, 96)

CASES = [
    ("singlelayer", {}, (96, 128), 11, 78_667, timbre((50, 70)) + conv(1, 1, 4 * 448, 11)),
    (
        "singlelayer",
        {"filter_heights": (5, 80)},
        (96, 128),
        11,
        61_867,
        timbre((5, 80)) + conv(1, 1, 4 * 448, 11),
    ),
    ("multilayer", {}, (96, 128), 11, 742_315, timbre((5, 80)) + MULTI + conv(1, 1, 256, 11)),
    ("han2016", {}, (128, 43), 11, 1_446_123, HAN + conv(1, 1, 256, 1024) + conv(1, 1, 1024, 11)),
    ("xception_audio", {}, (96, 1366), 12, 9_653_492, xception(12)),
    (
        "choi_cnn",
        {},
        (96, 1366),
        12,
        2_349_966,
        choi_blocks() + conv(1, 1, 15 * 128, 1024) + conv(1, 1, 1024, 12),
    ),
    ("crnn", {}, (96, 1366), 12, 392_718, choi_blocks() + gru(128, 32) + gru(32, 32) + conv(1, 1, 32, 12)),
    ("resnet", {}, (96, 1366), 12, 11_176_396, resnet(12)),
    ("musicnn", {}, (96, 187), 50, 787_159, MUSICNN),
    ("musicnn_vgg", {}, (96, 187), 50, 605_492, MUSICNN_VGG),
    ("basic_pitch", {}, (1, 43_844), 88, 16_742, BASIC_PITCH),
    ("crepe", {}, (1, 16_000), 360, 486_552, CREPE),
    ("vgg", {}, (96, 141), 12, 124_308, VGG + conv(1, 1, 96, 12)),
]


@pytest.mark.parametrize(("name", "hyper", "shape", "classes", "stated", "described"), CASES)
def test_parameters(name, hyper, shape, classes, stated, described):
    model = lookup.load("model", name, num_classes=classes, **hyper)
    init = jax.eval_shape(lambda key: model.init(key, jnp.zeros((1, *shape)), train=False), jax.random.key(0))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(init["params"])) == stated == described
    text = lookup.factory("model", name).__doc__
    assert f"{stated:,}" in text, "the docstring states it"


def test_every_model_is_counted():
    assert {case[0] for case in CASES} == set(lookup.names("model"))
