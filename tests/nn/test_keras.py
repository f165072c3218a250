"""Weights from Keras files of every version, which the tests write themselves."""

import io
import json
import zipfile

import h5py
import jax
import numpy as np
import pytest
import scipy.signal

from actjax import lookup
from actjax.nn.keras import arrays as keras_arrays
from actjax.nn.keras import importer
from actjax.nn.keras.importer import import_keras

pytestmark = pytest.mark.usefixtures("optimised")

RNG = np.random.default_rng(0)
EPSILON = 1e-3


def random_variables(name, shape, **hyper):
    """The network, its units in order of the calls, and variables with nothing at its default."""
    model = lookup.load("model", name, num_classes=3, **hyper)
    units, variables = importer._units(model, shape), {}
    for unit in units:
        for role, path in unit.paths.items():
            low, high = (0.5, 1.5) if role in ("var", "scale") else (-0.3, 0.3)
            importer._put(variables, path, RNG.uniform(low, high, unit.shapes[role]).astype(np.float32))
    return model, units, variables


def at(variables, path):
    for name in path:
        variables = variables[name]
    return np.asarray(variables)


def arrays_of(unit, variables):
    """Keras's names and arrays of one of our layers, in the layout of Keras 2 and TensorFlow."""
    own = {role: at(variables, path) for role, path in unit.paths.items()}
    if unit.kind == "norm":
        return {
            "gamma": own["scale"],
            "beta": own["bias"],
            "moving_mean": own["mean"],
            "moving_variance": own["var"],
        }
    if unit.kind == "separable":
        depth = own["depthwise"]
        return {"depthwise_kernel": depth.transpose(0, 1, 3, 2), "pointwise_kernel": own["pointwise"]}
    if unit.kind == "gru":
        bias = np.zeros((2, 3 * len(own["hn/bias"])))
        bias[0] = np.concatenate([own[f"i{g}/bias"] for g in "zrn"])
        bias[1, -len(own["hn/bias"]) :] = own["hn/bias"]
        kernels = [np.concatenate([own[f"{side}{g}/kernel"] for g in "zrn"], 1) for side in "ih"]
        return {"kernel": kernels[0], "recurrent_kernel": kernels[1], "bias": bias}
    return {role: own[role] for role in ("kernel", "bias") if role in own}


CLASSES = {
    "conv": "Conv2D",
    "norm": "BatchNormalization",
    "dense": "Dense",
    "separable": "SeparableConv2D",
    "gru": "GRU",
}


def entries(units, variables, nodes=lambda before: [[[before, 0, 0, {}]]]):
    """(name, config entry, arrays) of a functional model that chains the units."""
    found, before = [], "input_1"
    for i, unit in enumerate(units):
        arrays = arrays_of(unit, variables)
        config = {"name": f"layer_{i}", "data_format": "channels_last", "use_bias": "bias" in arrays}
        config["epsilon"] = EPSILON
        entry = {"class_name": CLASSES[unit.kind], "name": f"layer_{i}", "config": config}
        entry["inbound_nodes"] = nodes(before)
        found.append((f"layer_{i}", entry, arrays))
        before = f"layer_{i}"
    return found


def write_keras2(path, layers, config=True, backend="tensorflow"):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _, _ in layers]
        file.attrs["backend"] = backend.encode()
        file.attrs["keras_version"] = b"2.2.4"
        if config:
            text = json.dumps(
                {"class_name": "Model", "config": {"layers": [entry for _, entry, _ in layers]}}
            )
            file.attrs["model_config"] = text.encode()
        for name, _, arrays in layers:
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/{role}:0".encode() for role in arrays]
            for role, array in arrays.items():
                inner[f"{name}/{role}:0"] = array


def write_keras3(path, layers, by_class):
    buffer, used = io.BytesIO(), {}
    with h5py.File(buffer, "w") as file:
        for name, entry, arrays in layers:
            kind = {
                "Conv2D": "conv2d",
                "BatchNormalization": "batch_normalization",
                "Dense": "dense",
                "GRU": "gru",
            }
            kind = kind.get(entry["class_name"], "separable_conv2d")
            number = used[kind] = used.get(kind, -1) + 1
            folder = (f"{kind}_{number}" if number else kind) if by_class else name
            inside = f"layers/{folder}/cell/vars" if kind == "gru" else f"layers/{folder}/vars"
            for i, array in enumerate(arrays.values()):
                file[f"{inside}/{i}"] = array
    config = {"class_name": "Functional", "config": {"layers": [entry for _, entry, _ in layers]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.writestr("model.weights.h5", buffer.getvalue())


def check_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


SMALL = {
    "singlelayer": ((96, 64), {"filter_heights": (4, 7)}),
    "multilayer": ((96, 128), {"filter_heights": (5, 8), "widths": (6, 7), "embedding": 9}),
    "choi_cnn": ((96, 64), {"widths": (3, 4, 5, 6), "embedding": 7}),
    "crnn": ((96, 64), {"widths": (3, 4, 5, 6), "recurrent": (4, 5)}),
    "han2016": ((96, 64), {"widths": (2, 3, 4, 5), "embedding": 6}),
    "xception_audio": ((96, 64), {"stem": 3, "entry": (4, 5, 6), "exit": 7}),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("form", ["keras2", "keras2 weights", "keras3", "keras3 by class"])
def test_round_trip(tmp_path, name, form):
    shape, hyper = SMALL[name]
    if name == "singlelayer":
        hyper = {**hyper, "even_padding": "after"}
    _, units, variables = random_variables(name, shape, **hyper)
    # A flattened map of singlelayer has its channels last in TensorFlow's order.
    stored = to_channels_last(variables, (1, 2)) if name == "singlelayer" else variables
    nodes = (lambda before: [[[before, 0, 0, {}]]]) if form.startswith("keras2") else keras3_nodes
    layers = entries(units, stored, nodes)
    if form.startswith("keras2"):
        path = tmp_path / "w.h5"
        write_keras2(path, layers, config=form == "keras2")
    else:
        path = tmp_path / "w.keras"
        write_keras3(path, layers, by_class="class" in form)
    hyper = {k: v for k, v in hyper.items() if k not in ("filter_heights", "even_padding")}
    found = import_keras(path, name, shape, **hyper)
    assert found.hyper["num_classes"] == 3
    check_same(found.variables, variables)


def keras3_nodes(before):
    history = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
    return [{"args": [history], "kwargs": {}}]


def to_channels_last(variables, parts_shape):
    """singlelayer's output kernel with the rows of each branch in the order (part, channel)."""
    rows, start, blocks = variables["params"]["logits"]["kernel"], 0, []
    f, t = parts_shape
    for channels in (128, 64, 32, 128, 64, 32):
        block = rows[start : start + channels * f * t].reshape(channels, f * t, -1)
        blocks.append(block.transpose(1, 0, 2).reshape(channels * f * t, -1))
        start += channels * f * t
    logits = {**variables["params"]["logits"], "kernel": np.concatenate(blocks)}
    return {**variables, "params": {**variables["params"], "logits": logits}}


def test_keras1_theano_against_scipy(tmp_path):
    """A file as the published one: (out, in, freq, time), true convolutions, even heights, c before t."""
    heights, widths, shape, classes = (3, 8), {1: 128, 3: 64, 5: 32}, (24, 70), 4
    branches = [(f"{w}_{h}", h, w, n) for h in heights for w, n in widths.items()]
    weights, order = {}, []
    for name, h, w, n in branches:
        weights[f"{name}_conv"] = {"W": RNG.normal(size=(n, 1, h, w)) * 0.2, "b": RNG.normal(size=n)}
        norm = {"gamma": RNG.uniform(0.5, 2, n), "beta": RNG.normal(size=n)}
        weights[f"{name}_bn"] = {
            **norm,
            "running_mean": RNG.normal(size=n),
            "running_std": RNG.uniform(0.5, 2, n),
        }
    weights["prediction"] = {"W": RNG.normal(size=(896, classes)) * 0.1, "b": RNG.normal(size=classes)}
    order = [f"{b[0]}_conv" for b in branches] + [f"{b[0]}_bn" for b in branches] + ["prediction"]
    config = [
        {"class_name": "Convolution2D", "name": name, "config": {"name": name, "dim_ordering": "th"},
         "inbound_nodes": [[["input_1", 0, 0]]]}
        if name.endswith("conv")
        else {"class_name": "X", "name": name, "config": {"name": name, "epsilon": 0.01},
              "inbound_nodes": [[[name.replace("_bn", "_conv"), 0, 0]]] if name.endswith("bn") else []}
        for name in order
    ]  # fmt: skip
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in order]
        file.attrs["model_config"] = json.dumps({"config": {"layers": config}}).encode()
        for name in order:
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}_{role}".encode() for role in weights[name]]
            for role, array in weights[name].items():
                inner[f"{name}_{role}"] = array.astype(np.float32)
    found = import_keras(path, "singlelayer", shape)
    assert found.hyper == {"num_classes": 4, "filter_heights": (3, 8), "even_padding": "before"}

    image = RNG.normal(size=shape)
    pooled = []
    for name, h, w, n in branches:
        conv, norm = weights[f"{name}_conv"], weights[f"{name}_bn"]
        for c in range(n):
            full = scipy.signal.convolve2d(image, conv["W"][c, 0], mode="full")
            # Theano's 'same': as many rows as the image, after cutting (kernel - 1) - kernel // 2.
            top, left = (h - 1) - h // 2, (w - 1) - w // 2
            x = full[top : top + shape[0], left : left + shape[1]] + conv["b"][c]
            x = (x - norm["running_mean"][c]) / np.sqrt(norm["running_std"][c] + 0.01)
            x = x * norm["gamma"][c] + norm["beta"][c]
            x = np.where(x > 0, x, np.expm1(x))
            pooled += [x[:, :32].max(), x[:, 32:64].max()]
    expected = np.array(pooled) @ weights["prediction"]["W"] + weights["prediction"]["b"]
    model = lookup.load("model", "singlelayer", **found.hyper)
    logits = model.apply(found.variables, image[None].astype(np.float32), train=False)[0][0]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_a_bias_that_we_have_not_is_folded_and_channels_first_rows_are_turned(tmp_path):
    shape, hyper = SMALL["xception_audio"]
    model, units, variables = random_variables("xception_audio", shape, **hyper)
    layers = entries(units, variables)
    bias = RNG.normal(size=3).astype(np.float32)
    name, entry, arrays = layers[0]
    layers[0] = (name, entry, {**arrays, "bias": bias})
    write_keras2(tmp_path / "w.h5", layers)
    found = import_keras(tmp_path / "w.h5", "xception_audio", shape, **hyper)
    got, own = (v["batch_stats"]["conv1_bn"]["mean"] for v in (found.variables, variables))
    np.testing.assert_allclose(got, own - bias, rtol=1e-5)

    shape, hyper = (192, 600), SMALL["choi_cnn"][1]
    _, units, variables = random_variables("choi_cnn", shape, **hyper)
    layers = entries(units, variables)
    for _, entry, _ in layers:
        entry["config"]["data_format"] = "channels_first"
    # (freq 2, time 7, channels 6) of the last map, stored as (channels, freq, time).
    dense = next(arrays for _, entry, arrays in layers if entry["class_name"] == "Dense")
    dense["kernel"] = dense["kernel"].reshape(2, 7, 6, -1).transpose(2, 0, 1, 3).reshape(84, -1)
    write_keras2(tmp_path / "c.h5", layers)
    check_same(import_keras(tmp_path / "c.h5", "choi_cnn", shape, **hyper).variables, variables)


def test_gru_against_its_formula():
    """reset_after=True as Keras defines it, in float64."""
    shape, hyper = SMALL["crnn"]
    model, units, variables = random_variables("crnn", shape, **hyper)
    unit = next(unit for unit in units if unit.kind == "gru")
    keras = arrays_of(unit, variables)
    u, t = 4, 5
    x, h = RNG.normal(size=(t, keras["kernel"].shape[0])), np.zeros(u)
    for frame in x:
        a = frame @ keras["kernel"] + keras["bias"][0]
        b = h @ keras["recurrent_kernel"] + keras["bias"][1]
        z, r = (1 / (1 + np.exp(-(a + b)[part])) for part in (slice(0, u), slice(u, 2 * u)))
        h = z * h + (1 - z) * np.tanh(a[2 * u :] + r * b[2 * u :])
    import flax.linen as nn

    found = nn.RNN(nn.GRUCell(u)).apply(
        {"params": {"cell": at_dict(variables, unit.paths["ir/kernel"][:-2])}}, x[None].astype(np.float32)
    )
    np.testing.assert_allclose(found[0, -1], h, rtol=1e-5, atol=1e-6)


def at_dict(variables, path):
    for name in path:
        variables = variables[name]
    return variables


def test_what_does_not_fit_is_named(tmp_path):
    shape, hyper = SMALL["han2016"]
    _, units, variables = random_variables("han2016", shape, **hyper)
    path = tmp_path / "w.h5"
    write_keras2(path, entries(units[:-2] + units[-1:], variables))
    with pytest.raises(
        ValueError, match=r"w.h5 as han2016: embedding: expected a dense layer with .*\(5, 6\)"
    ):
        import_keras(path, "han2016", shape, **hyper)
    write_keras2(
        path,
        [
            *entries(units, variables),
            (
                "extra",
                {"class_name": "Dense", "name": "extra", "config": {"name": "extra"}, "inbound_nodes": []},
                {"kernel": np.zeros((9, 3), np.float32)},
            ),
        ],
    )
    with pytest.raises(ValueError, match="no place for the file's layers extra"):
        import_keras(path, "han2016", shape, **hyper)
    text = tmp_path / "no.h5"
    text.write_text("not a file of weights")
    with pytest.raises(ValueError, match="no.h5: cannot be read as a Keras file"):
        import_keras(text, "han2016", shape)
    with pytest.raises(FileNotFoundError, match="expected a Keras file at .*, found none"):
        import_keras(tmp_path / "none.h5", "han2016", shape)
    with pytest.raises(lookup.UnknownNameError, match="did you mean han2016"):
        import_keras(path, "han", shape)


def write_bare(path, layers, rename=lambda name: name):
    """What `save_weights` of Keras 3 leaves: arrays by number, and a seed of dropout's, without a config."""
    used = {}
    with h5py.File(path, "w") as file:
        for _, entry, arrays in layers:
            kind = {"BatchNormalization": "batch_normalization", "SeparableConv2D": "separable_conv2d"}
            kind = kind.get(entry["class_name"], entry["class_name"].lower())
            number = used[kind] = used.get(kind, -1) + 1
            folder = rename(f"{kind}_{number}" if number else kind)
            inside = f"layers/{folder}/cell/vars" if kind == "gru" else f"layers/{folder}/vars"
            for i, array in enumerate(arrays.values()):
                file[f"{inside}/{i}"] = array
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
        file["optimizer/vars/0"] = np.zeros(3)


@pytest.mark.parametrize("name", ["choi_cnn", "crnn", "han2016", "xception_audio"])
def test_bare_weights_of_keras_3_are_read_in_the_order_of_their_numbers(tmp_path, name):
    shape, hyper = SMALL[name]
    _, units, variables = random_variables(name, shape, **hyper)
    write_bare(tmp_path / "w.weights.h5", entries(units, variables))
    check_same(import_keras(tmp_path / "w.weights.h5", name, shape, **hyper).variables, variables)


def test_bare_weights_whose_order_is_unknown_are_refused(tmp_path):
    shape, hyper = SMALL["xception_audio"]
    _, units, variables = random_variables("xception_audio", shape, **hyper)
    names = (first + second for first in "qwertyuiop" for second in "asdfghjkl")
    write_bare(tmp_path / "w.weights.h5", entries(units, variables), lambda _: next(names))
    with pytest.raises(ValueError, match="do not say which comes first: save the whole model, as .keras"):
        import_keras(tmp_path / "w.weights.h5", "xception_audio", shape, **hyper)


def test_what_is_no_keras_file_is_called_by_its_name(tmp_path):
    import pickle

    def refused(match):
        with pytest.raises(ValueError, match=match) as caught:
            import_keras(path, "han2016", (96, 64))
        assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))

    path = tmp_path / "w.h5"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"")
    refused("got a PyTorch file, which is pickled and never loaded.*docs/pytorch_activations.md")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"")
    refused("a zip archive without config.json and model.weights.h5; it holds readme.txt")
    path.write_bytes(pickle.dumps({"a": 1}))
    refused("got a pickle, a PyTorch file say, which is never loaded")
    with open(path, "wb") as file:
        np.savez(file, a=np.ones(3))
    refused(r"got a NumPy archive \(.npz\)")


def test_damaged_weights_are_refused_by_name(tmp_path):
    shape, hyper = SMALL["han2016"]
    _, units, variables = random_variables("han2016", shape, **hyper)
    path, layers = tmp_path / "w.h5", entries(units, variables)

    def refused(match):
        with pytest.raises(ValueError, match=f"w.h5: .*{match}"):
            import_keras(path, "han2016", shape, **hyper)

    kernel = layers[0][2]["kernel"]
    for wrong in (np.nan, np.inf, 1e39):
        layers[0][2]["kernel"] = kernel.astype(np.float64)
        layers[0][2]["kernel"][0, 0, 0, 1] = wrong
        write_keras2(path, layers)
        refused("'layer_0/layer_0/kernel:0' holds NaN, infinity or numbers beyond float32")
    layers[0][2]["kernel"] = kernel
    write_keras2(path, layers)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("cannot be read as a Keras file")
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["model_weights/layer_0/layer_0/kernel:0"]
        file["model_weights/layer_0/layer_0/kernel:0"] = h5py.ExternalLink("other.h5", "x")
    refused("leads out of it: refused")
    write_keras2(path, layers)
    with h5py.File(path) as file, pytest.raises(ValueError, match="w.h5: .* above the bound"):
        keras_arrays._Reader(path, kernel.nbytes - 1)(file["model_weights/layer_0/layer_0/kernel:0"], "k")
