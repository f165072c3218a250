"""Weights out of other people's packages: the checkpoint's format, the wheel, the network in NumPy."""

import google_crc32c
import jax
import numpy as np
import pytest
from published_wheels import checkpoint, weights, write_wheel

from actjax import lookup
from actjax.external.formats import crc32c, tensor_bundle
from actjax.files import FileError
from actjax.nn.published import musicnn

pytestmark = pytest.mark.usefixtures("optimised")


def norm(arrays, x, i):
    scope = "batch_normalization" + (f"_{i}" if i else "")
    of = {
        name: np.float64(arrays[f"{scope}/{name}"])
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    return (x - of["moving_mean"]) / np.sqrt(of["moving_variance"] + 1e-3) * of["gamma"] + of["beta"]


def conv(arrays, x_tfc, scope):
    """[t, f, c], unpadded, by windows and one product, in float64."""
    kernel = np.float64(arrays[f"{scope}/kernel"])
    windows = np.lib.stride_tricks.sliding_window_view(x_tfc, kernel.shape[:2], (0, 1))
    return np.einsum("tfcij,ijco->tfo", windows, kernel, optimize=True) + np.float64(arrays[f"{scope}/bias"])


def reference(arrays, mel_ft):
    """The network of the paper for one patch, from its description: (log-odds, penultimate)."""
    x = norm(arrays, np.float64(mel_ft.T)[..., None], 0)
    front = []
    for i, length in enumerate((7, 7, 128, 64, 32)):
        low = (length - 1) // 2
        padded = np.pad(x, ((low, length - 1 - low), (0, 0), (0, 0)))
        scope = "conv2d" + (f"_{i}" if i else "")
        front.append(norm(arrays, np.maximum(conv(arrays, padded, scope), 0), i + 1).max(1))
    front = np.concatenate(front, -1)
    before, every = front, [front]
    for i in (5, 6, 7):
        padded = np.pad(before, ((3, 3), (0, 0)))[..., None]
        y = norm(arrays, np.maximum(conv(arrays, padded, f"conv2d_{i}")[:, 0], 0), i + 1)
        before = y if i == 5 else y + before
        every.append(before)
    every = np.concatenate(every, -1)
    pooled = norm(arrays, np.stack([every.max(0), every.mean(0)], -1).reshape(-1), 9)
    dense = {name: np.float64(arrays[name]) for name in arrays if name.startswith("dense")}
    hidden = norm(arrays, np.maximum(pooled @ dense["dense/kernel"] + dense["dense/bias"], 0), 10)
    return hidden @ dense["dense_1/kernel"] + dense["dense_1/bias"], hidden


def test_crc_is_that_of_the_standard():
    data = np.random.default_rng(0).integers(0, 256, 30_001, np.uint8).tobytes()
    for piece in (b"", b"a", b"123456789", bytes(32), data, data[:4096]):
        assert crc32c.crc32c(piece) == google_crc32c.value(piece)


def test_musicnn_out_of_its_wheel_is_the_network_of_the_paper(tmp_path):
    arrays = weights()
    wheel = write_wheel(tmp_path / "musicnn-0.1.0-py3-none-any.whl", arrays)
    imported = lookup.module("model", "musicnn").read_weights(wheel, 2**28)
    assert imported.classes[:3] == ("guitar", "classical", "slow") and len(set(imported.classes)) == 50
    model = lookup.load("model", "musicnn", num_classes=50)
    image = np.random.default_rng(1).normal(size=(96, 40)).astype(np.float32)
    logits, layers = jax.jit(lambda v, x: model.apply(v, x, train=False))(imported.variables, image[None])
    expected, hidden = reference(arrays, image)
    np.testing.assert_allclose(layers["penultimate"][0], hidden, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(logits[0], expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "0.2.0"}, r"expected the wheel of musicnn 0.1.0 .*, got musicnn 0.2.0"),
        ({"broken": "data"}, r"the checksum \(CRC-32C\) of 'batch_normalization_1/beta' is wrong"),
        ({"broken": "index"}, r"cannot be read as a TensorFlow checkpoint: a block's checksum"),
        ({"arrays": {"dense/kernel": None}}, r"expected a tensor 'dense/kernel', got"),
        ({"arrays": {"dense/bias": np.zeros(7)}}, r"expected 'dense/bias' of shape \[200\], got \[7\]"),
        ({"arrays": {"dense/bias": np.full(200, np.nan)}}, r"'dense/bias' holds NaN or infinity"),
    ],
)
def test_a_wheel_that_is_not_as_it_should_be_is_one_line(tmp_path, changes, said):
    arrays = weights(**changes.pop("arrays", {}))
    wheel = write_wheel(tmp_path / "w.whl", arrays, **changes)
    with pytest.raises(FileError, match=said) as error:
        musicnn.read(wheel, 2**28, "MTT_musicnn")
    assert "\n" not in str(error.value)


def test_no_wheel_and_no_such_network_are_one_line(tmp_path):
    (tmp_path / "w.whl").write_bytes(b"no zip")
    with pytest.raises(FileError, match="pip download --no-deps musicnn==0.1.0.*got no wheel"):
        musicnn.read(tmp_path / "w.whl", 2**28, "MTT_musicnn")
    wheel = write_wheel(tmp_path / "x.whl", {"a": np.zeros(1)})
    with pytest.raises(FileError, match="expected an entry 'musicnn/MSD_vgg/.index'"):
        musicnn.read(wheel, 2**28, "MSD_vgg")


def test_a_checkpoint_lies_about_its_lengths_in_vain(tmp_path):
    """Every byte of a small index changed: the arrays as written, or one line; never anything else."""
    arrays = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "a/kernel2": np.ones(2, np.float32)}
    index, data = checkpoint(arrays)
    path, refused = tmp_path / "x", 0
    for at in range(len(index)):
        damaged = index[:at] + bytes([index[at] ^ 0x41]) + index[at + 1 :]
        try:
            listed = tensor_bundle.entries(path, damaged)
            for name, array in arrays.items():
                np.testing.assert_array_equal(tensor_bundle.array(path, name, listed, data), array)
        except FileError:
            refused += 1
    assert refused > 0.8 * (len(index) - 40)
