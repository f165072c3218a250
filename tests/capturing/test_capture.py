"""actjax.capture of JAX networks: nnx modules and functions give what their linen twin gives."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import actjax
from actjax import dsp
from actjax.external.layers import open_activations
from actjax.types import Batch, Frontend, LayerAxis

BANDS, FRAMES, SAMPLES = 12, 40, 200
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(5, BANDS, FRAMES)).astype(np.float32)
WAVES = RNG.normal(size=(5, SAMPLES)).astype(np.float32)


class LinenNetwork(nn.Module):
    """Two convolutions and an embedding; `deterministic` as users have it."""

    @nn.compact
    def __call__(self, image, deterministic):
        x = nn.relu(nn.Conv(4, (5, 4), strides=(1, 2), name="conv1")(image[..., None]))
        x = nn.relu(nn.Conv(3, (3, 3), padding="VALID", name="conv2")(x))
        x = nn.Dropout(0.5)(x.mean((1, 2)), deterministic=deterministic)
        return nn.Dense(2, name="out")(x)


class NnxNetwork(nnx.Module):
    """The same in nnx; the second convolution is made first."""

    def __init__(self, rngs):
        self.conv2 = nnx.Conv(4, 3, (3, 3), padding="VALID", rngs=rngs)
        self.conv1 = nnx.Conv(1, 4, (5, 4), strides=(1, 2), rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, image):
        x = nnx.relu(self.conv1(image[..., None]))
        x = nnx.relu(self.conv2(x))
        self.sow(nnx.Intermediate, "rectified", x)
        return self.out(self.dropout(x.mean((1, 2))))


class LinenWaves(nn.Module):
    """A network of raw waves: strided filters, pooled, and a dense layer a frame."""

    @nn.compact
    def __call__(self, wave):
        x = nn.relu(nn.Conv(6, (9,), strides=(4,), padding="VALID", name="filters")(wave[..., None]))
        x = nn.max_pool(x, (3,), (3,))
        return nn.Dense(5, name="frames")(x).mean(1)


def function_network(params, image):
    """The images' network as a function of a linen network's weights, which lists its layers backwards."""
    dims = ("NHWC", "HWIO", "NHWC")

    def conv(x, weights, strides, padding):
        x = jax.lax.conv_general_dilated(x, weights["kernel"], strides, padding, dimension_numbers=dims)
        return x + weights["bias"][None, None, None]

    first = conv(image[..., None], params["conv1"], (1, 2), "SAME")
    second = conv(jax.nn.relu(first), params["conv2"], (1, 1), "VALID")
    out = jax.nn.relu(second).mean((1, 2)) @ params["out"]["kernel"] + params["out"]["bias"][None]
    return {"out": out, "conv2": second, "conv1": first, "count": jnp.arange(3)}


@pytest.fixture(scope="module")
def linen():
    variables = LinenNetwork().init(jax.random.key(1), IMAGES[:1], deterministic=True)
    return variables, actjax.capture(LinenNetwork(), IMAGES, variables, layers="conv.|out", batch_size=2)


def assert_twins(captured, twin):
    assert list(captured) == list(twin)
    for name, values in twin.items():
        np.testing.assert_allclose(captured[name], values, atol=1e-5)
    places = [(layer.name, layer.neurons, layer.frequency, layer.time) for layer in twin.layers]
    assert places == [(layer.name, layer.neurons, layer.frequency, layer.time) for layer in captured.layers]


def test_linen_layers_lie_where_kernels_and_strides_put_them(linen):
    _, captured = linen
    conv1, conv2, out = captured.layers
    time = LayerAxis.of_input(FRAMES).window(4, 2)
    assert (conv1.time, conv2.time) == (time, time.window(3, 1, "VALID"))
    assert conv2.frequency == LayerAxis.of_input(BANDS).window(5).window(3, 1, "VALID")
    assert out.time is None and captured["conv1"].shape == (5, 12, 20, 4) and captured["out"].shape == (5, 2)
    assert captured.clip_ids == ("0", "1", "2", "3", "4") and not captured.times


def test_an_nnx_module_is_its_linen_twin_and_stays_as_it_is(linen):
    variables, twin = linen
    module = NnxNetwork(nnx.Rngs(0))
    for name in ("conv1", "conv2", "out"):
        getattr(module, name).kernel.set_value(variables["params"][name]["kernel"])
        getattr(module, name).bias.set_value(variables["params"][name]["bias"])
    assert_twins(actjax.capture(module, IMAGES, layers="conv.|out"), twin)
    sown = actjax.capture(module, IMAGES, layers="rectified|dropout")
    np.testing.assert_allclose(sown["rectified"], np.maximum(twin["conv2"], 0), atol=1e-5)
    np.testing.assert_allclose(sown["dropout"], sown["rectified"].mean((1, 2)), atol=1e-5)
    assert module.dropout.deterministic is False and not hasattr(module, "rectified")


def test_a_function_is_its_linen_twin(linen):
    variables, twin = linen
    params = variables["params"]
    assert_twins(actjax.capture(function_network, IMAGES, params, batch_size=3), twin)


def test_waves_go_in_as_they_are_and_times_are_seconds(tmp_path):
    variables = LinenWaves().init(jax.random.key(0), WAVES[:1])
    batches = [Batch(WAVES[:3], np.ones(3, bool), None, None, None)]
    batches.append(
        Batch(np.concatenate([WAVES[3:], WAVES[:1]]), np.array([True, True, False]), None, None, None)
    )
    ids = [f"clip {i}" for i in range(5)]
    captured = actjax.capture(
        LinenWaves(),
        batches,
        variables,
        layers="filters|frames",
        sample_rate_hz=100,
        clip_ids=ids,
        folder=tmp_path / "acts",
        dtype="float16",
    )
    time = LayerAxis.of_input(SAMPLES).window(9, 4, "VALID")
    assert [layer.time for layer in captured.layers] == [time, time.window(3, 3, "VALID")]
    of_frames = captured.times["frames"]
    assert np.allclose((of_frames.time0_s, of_frames.hop_s, of_frames.field_s), (0.08, 0.12, 0.17))
    opened = open_activations(tmp_path / "acts")
    assert opened.clip_ids == tuple(ids) and [layer.name for layer in opened.layers] == ["filters", "frames"]
    twin = actjax.capture(LinenWaves(), WAVES, variables, layers="filters|frames")
    for layer in opened.layers:
        np.testing.assert_allclose(layer.read(np.arange(5)), twin[layer.name], rtol=1e-3, atol=1e-3)
        assert (layer.time0_s, layer.hop_s) == (
            captured.times[layer.name].time0_s,
            captured.times[layer.name].hop_s,
        )


def test_a_front_end_makes_images_of_waves_and_says_hz_and_seconds(tmp_path):
    front = Frontend(sample_rate_hz=1000, n_fft=32, hop_samples=8, n_mels=BANDS)
    images = np.asarray(jax.vmap(lambda wave: dsp.log_mel_image(wave, front))(WAVES))
    params = LinenNetwork().init(jax.random.key(1), images[:1], deterministic=True)["params"]
    captured = actjax.capture(function_network, WAVES, params, frontend=front, layers="conv.")
    of_images = actjax.capture(function_network, images, params, frontend=front, layers="conv.")
    assert_twins(captured, of_images)
    times = captured.times["conv1"]
    assert times.hop_s == 0.016 and np.isclose(times.field_s, (3 * 8 + 32) / 1000)
    assert times.hz.shape == (BANDS,) and (np.diff(times.hz) > 0).all()
    opened = open_activations(captured.save(tmp_path / "acts"))
    np.testing.assert_array_equal(opened.layers[0].hz, times.hz)
    assert np.isclose(opened.layers[1].field_s, captured.times["conv2"].field_s)


@pytest.mark.parametrize(
    ("network", "inputs", "options", "message"),
    [
        ("musicnn", WAVES, {}, "expected a flax linen or nnx module, a torch module, or a function"),
        (LinenWaves(), WAVES, {}, "LinenWaves is a linen module and holds no weights"),
        (lambda _, wave: wave.mean(), WAVES, {}, "expected a function .* -> .layer: .b, f, t, c"),
        (lambda _, wave: {"mean": wave}, WAVES, {"layers": "conv"}, "matches no layer; known: mean"),
        (lambda _, wave: {"mean": wave}, WAVES[0], {}, r"expected waves .clips, samples. .* shape \[200\]"),
        (lambda _, wave: {"mean": wave}, WAVES * np.nan, {}, "expected finite waves"),
        (lambda _, wave: {"mean": wave}, WAVES, {"prepare": len}, "a network of JAX takes no prepare="),
        (lambda _, wave: {"mean": wave}, WAVES, {"dtype": "int8"}, "dtype must be one of float32, float16"),
        (lambda _, wave: {"mean": wave}, WAVES, {"clip_ids": "abc"}, "expected 5 different clip_ids"),
        (
            lambda _, wave: {"block": wave, "block/depth": wave[:, :2]},
            WAVES,
            {"folder": "acts", "sample_rate_hz": 100},
            "layer 'block/depth' has a name that the folder",
        ),
        (lambda _, wave: {"mean": 1e9 * wave}, WAVES, {"dtype": "float16"}, "beyond the range of float16"),
        (lambda _, wave: {"mean": wave}, WAVES, {"folder": "acts"}, "needs seconds: say sample_rate_hz"),
        (lambda _, wave: {"mean": wave}, iter([WAVES]), {"folder": "acts", "sample_rate_hz": 9}, "clip_ids"),
    ],
)
def test_mistakes_are_one_line(network, inputs, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        actjax.capture(network, inputs, **options)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(tmp_path):
    options = {"sample_rate_hz": 10, "folder": tmp_path / "acts"}
    actjax.capture(lambda _, wave: {"mean": wave}, WAVES, **options)
    with pytest.raises(ValueError, match="is there already: remove it"):
        actjax.capture(lambda _, wave: {"mean": wave}, WAVES, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["acts"]
