"""Activations, features and networks of the user's, scored from end to end on a few noises."""

import dataclasses
import importlib
import json
import pathlib
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import dsp, lookup, network, runs, setup
from actjax.activations import comparisons
from actjax.atlas_site import build
from actjax.data.loader import Source
from actjax.defaults import default_config
from actjax.external import layers as external_layers
from actjax.external import truth as external_truth
from actjax.report import first_screen, workdir_files
from actjax.report.summary import summarise
from actjax.scores.files import load_scores
from actjax.scoring import from_elsewhere
from actjax.stages import score

RATE, SAMPLES, CLIPS = 12_000, 12_000, 10
FRAMES = 1 + SAMPLES // 256
FEATURES = "log_mel,rms,labels,truth_onset_rate,truth_pitch_classes,truth_tempo,truth_gain"


class Reader:
    """Noises of growing level, each with notes, as gm_instruments describes its clips."""

    def __init__(self):
        rng = np.random.default_rng(0)
        swell = 1 + 0.8 * np.sin(np.arange(SAMPLES) / rng.uniform(300, 900, (CLIPS, 1)))
        self.audio = (rng.normal(size=(CLIPS, SAMPLES)) * swell * 0.02).astype(np.float32)
        self.notes = np.zeros((CLIPS, 4, 5), np.float32)
        for i in range(CLIPS):
            onsets = np.sort(rng.uniform(0.0, 0.9, 3))
            self.notes[i, :3] = [[s, s + 0.3, 60 + i + j, 90, 0] for j, s in enumerate(onsets)]
            self.notes[i, 3] = [0.2, 0.4, 38, 90, 128]

    def __len__(self):
        return CLIPS

    def __getitem__(self, i):
        truth = {"notes": self.notes[i], "note_count": np.int32(4 - i % 2)}
        return {
            "audio": self.audio[i],
            "tempo_bpm": np.float32(60 + i * i),
            "gain_db": np.float32(-i),
            **truth,
        }


@pytest.fixture(scope="module")
def source():
    names = [f"c{i}" for i in range(CLIPS)]
    labels = np.arange(CLIPS, dtype=np.int32) % 3
    return Source(Reader(), names, names, labels, ("x", "y", "z"), RATE, SAMPLES, "fingerprint")


def make_run(tmp_path, monkeypatch, source, **options):
    """A run on `source`, whose rms is computed on the host."""
    config = default_config()
    config.frontend.n_mels, config.data.clip_seconds = 24, SAMPLES / RATE
    config.score.update(
        {"features": FEATURES, "metrics": "pearson", "null": "none", "batch_size": 4, "networks": "input"}
    )
    config.score.update({k: v for k, v in options.items() if k != "model"})
    config.model.name = options.get("model", "vgg")
    monkeypatch.setattr(runs, "make_builder", lambda *_: None)
    monkeypatch.setattr(score.loader, "open_source", lambda *_: source)
    load = lookup.load

    def hosted(kind, name, **hyper):
        made = load(kind, name, **hyper)
        if (kind, name) != ("feature", "rms"):
            return made
        fn = jax.jit(made.fn)
        return dataclasses.replace(made, host=True, fn=lambda wave: jax.tree.map(np.asarray, fn(wave)))

    monkeypatch.setattr(lookup, "load", hosted)
    return runs.open_run(config, tmp_path)


def write_activations(path, source, order):
    """The input itself as a map, and planted units, in an order of their own; one clip of another set."""
    front = dataclasses.replace(setup.make_frontend(default_config()), n_mels=24)
    wave = jnp.asarray(source.reader.audio)
    image = np.asarray(jax.jit(jax.vmap(lambda w: dsp.log_mel_image(w, front)))(wave))
    planted = np.stack([np.arange(CLIPS), np.arange(CLIPS) ** 2, source.labels == 1], 1).astype(np.float64)
    stranger = np.append(order, order[0])
    ids = np.array([*(source.clip_ids[i] for i in order), "stranger"])
    at = {"maps/time0_s": 0.0, "maps/hop_s": 256 / RATE, "maps/field_s": 512 / RATE}
    at["maps/hz"] = np.asarray(setup.band_centres_hz(front))
    series = image[..., None].astype(np.float16)
    np.savez(path, clip_ids=ids, maps=series[stranger], units=planted[stranger], **at)
    return image


@pytest.fixture(scope="module")
def scored(tmp_path_factory, source):
    folder = tmp_path_factory.mktemp("external")
    write_activations(folder / "a.npz", source, np.random.default_rng(1).permutation(CLIPS))
    np.savez(folder / "mine.npz", clip_ids=np.array(source.clip_ids), mine=np.arange(CLIPS)[:, None] ** 2.0)
    paths = {"activations": str(folder / "a.npz"), "external_features": str(folder / "mine.npz")}
    with pytest.MonkeyPatch.context() as patch:
        run = make_run(folder / "run", patch, source, **paths)
        files = score.stage.run(run)
        assert score.stage.run(run) == files
        build.build(run)
    table = load_scores(folder / "run").to_pandas()
    table.attrs["workdir"] = str(folder / "run")
    return table


def pick(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def test_external_maps_score_as_the_input_itself_does(scored):
    """The same image, once computed here and once read from the file (in half precision)."""
    cells = pick(scored, view="map", feature="log_mel").set_index("network").score
    assert cells["external"] > 0.999 and abs(cells["external"] - cells["input"]) < 1e-3
    assert set(pick(scored, network="external").layer) == {"maps", "units"}
    rows = pick(scored, view="frame", network="external", layer="maps")
    assert set(rows.feature) == {"log_mel", "rms", "truth_pitch_classes"} and rows.score.notna().any()


def test_planted_units_find_labels_truth_and_features_from_elsewhere(scored):
    units = pick(scored, network="external", layer="units", view="clip")
    best = {
        ("truth_gain", 0, 0): -1.0, ("truth_tempo", 1, 0): 1.0, ("mine", 1, 0): 1.0, ("labels", 2, 1): 1.0,
    }  # fmt: skip
    for (feature, neuron, row), expected in best.items():
        [value] = pick(units, feature=feature, neuron=neuron, row=row).score
        assert value == pytest.approx(expected, abs=1e-5), feature


def test_clip_scores_are_pearsons_of_host_features_and_truth(scored, source):
    reader, planted = source.reader, np.arange(CLIPS)
    rms = np.stack([np.sqrt(np.mean(dsp_frames(a) ** 2, axis=1)) for a in reader.audio])
    onsets = [count_onsets(reader.notes[i][: 4 - i % 2, 0]) for i in range(CLIPS)]
    for feature, values in (("rms", rms.mean(1)), ("truth_onset_rate", onsets)):
        [got] = pick(scored, network="external", layer="units", feature=feature, neuron=0).score
        assert got == pytest.approx(np.corrcoef(planted, values)[0, 1], abs=2e-3), feature


def count_onsets(times):
    """Those that follow no other within 30 ms."""
    return sum(not any(0 < t - s <= 0.03 for s in times) for t in times)


def dsp_frames(audio):
    """Frames of 512 every 256 that hold no padding."""
    return np.stack([audio[i * 256 - 256 : i * 256 + 256] for i in range(1, FRAMES - 1)])


def test_pitch_classes_are_those_of_the_sounding_notes(source):
    feature = external_truth.load("truth_pitch_classes", source, hop_samples=240)
    values = feature.of_clips(np.array([3]))[0]
    assert values.shape == (12, 51) and feature.frames == comparisons.frames_of(feature, SAMPLES)
    for onset, offset, pitch in source.reader.notes[3][:3, :3]:
        row = values[int(pitch) % 12]
        inside = (np.arange(51) * 0.02 > onset + 0.01) & (np.arange(51) * 0.02 < offset - 0.01)
        assert inside.any() and (row[inside] == 1).all()
        assert row.sum() * 0.02 == pytest.approx(min(offset, 1.01) - onset, abs=1e-4)
    assert (values[38 % 12] == 0).all()


def test_what_the_data_set_does_not_know_is_said(source):
    bare = dataclasses.replace(source, reader=[{"audio": np.zeros(4)}])
    with pytest.raises(ValueError, match="truth_tempo needs the clips' tempo_bpm"):
        external_truth.load("truth_tempo", bare)
    with pytest.raises(ValueError, match="has no option 'hop'; known: hop_samples"):
        external_truth.check_options("truth_pitch_classes", {"hop": 3})


def test_activations_of_other_clips_are_refused(tmp_path, monkeypatch, source):
    np.savez(tmp_path / "a.npz", clip_ids=np.array(["c0", "p", "q"]), units=np.ones((3, 2)))
    run = make_run(tmp_path, monkeypatch, source, activations=str(tmp_path / "a.npz"))
    with pytest.raises(ValueError, match="lacks 9 of the 10 clips of the split: c1, c2, c3; 2 of its clips"):
        score.stage.run(run)


class Tiny(nn.Module):
    """A user's network: no batch normalisation, no dictionary of layers."""

    num_classes: int
    width: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, mel_bft):
        conv = nn.Conv(self.width, (3, 3), padding="VALID", dtype=self.dtype, name="conv1")
        x = nn.relu(conv(mel_bft[..., None]))
        return nn.Dense(self.num_classes, dtype=self.dtype, name="out")(x.mean((1, 2)))


@pytest.fixture
def my_package(monkeypatch):
    module = types.ModuleType("my_package.my_module")
    module.model = lambda num_classes, **options: Tiny(num_classes, **options)
    module.broken = lambda num_classes: None
    known = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda n, *a: module if n == "my_package.my_module" else known(n, *a)
    )
    return module


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float16", marks=pytest.mark.long)])
def test_a_users_network_is_scored_layer_by_layer(tmp_path, monkeypatch, source, my_package, dtype):
    model, layers = f"my_package.my_module(width=6, dtype={dtype!r})", "conv1|out"
    options = {
        "networks": "untrained",
        "features": "rms,truth_tempo",
        "layers": layers,
        "views": "frame,clip",
    }
    run = make_run(tmp_path, monkeypatch, source, model=model, **options)
    score.stage.run(run)
    table = load_scores(tmp_path).to_pandas()
    conv1 = pick(table, layer="conv1", view="frame", feature="rms")
    assert len(conv1) == 6 and conv1.score.notna().all() and conv1.score.abs().max() > 0.3
    assert set(table.layer) == {"conv1", "out"} and len(pick(table, layer="out", feature="truth_tempo")) == 3


def test_a_module_that_cannot_be_used_is_named(tmp_path, my_package, source):
    config = default_config()
    config.model.name = "my_package.absent"
    with pytest.raises(ValueError, match="expected a module on the Python path that exports model"):
        network.make_module(network.model_spec("my_package.absent"), 3)
    config.model.name, my_package.model = "my_package.my_module", my_package.broken
    with pytest.raises(ValueError, match="to return a Flax linen module, got None"):
        network.make_module(network.model_spec("my_package.my_module"), 3)


def test_of_a_file_only_the_layers_that_are_compared_are_read(tmp_path, source):
    write_activations(tmp_path / "a.npz", source, np.arange(CLIPS))
    found = external_layers.open_activations(tmp_path / "a.npz")
    layers = [dataclasses.replace(found, layers=(layer,)).layers[0] for layer in found.layers]
    assert [layer.name for layer in layers] == ["maps", "units"]
    family = types.SimpleNamespace(apply=None, problems=[types.SimpleNamespace(layer=layers[1])])
    read = from_elsewhere.layer_reader(found, [family], source)
    units = read(np.array([4, 2]))
    assert list(units) == ["units"]
    np.testing.assert_array_equal(units["units"], [[4, 16, 1], [2, 4, 0]])


def test_the_atlas_plays_what_drives_them(scored, source, monkeypatch):
    """Clips, maps and means are those of the file, whatever the order of its clips."""
    from actjax.results import strongest
    from actjax.workdir import clip_activations

    run = pathlib.Path(scored.attrs["workdir"])
    kept = clip_activations.read(run)
    remade = make_run(run, monkeypatch, source, activations=str(run.parent / "a.npz"))
    planted = np.stack([np.arange(CLIPS), np.arange(CLIPS) ** 2, source.labels == 1], 1)
    np.testing.assert_array_equal(kept.means["external"]["units"], planted)
    assert kept.means["external"]["maps"].shape == (CLIPS, 1)
    monkeypatch.setattr(strongest, "_opened", lambda workdir, data_dir: remade)
    np.testing.assert_array_equal(strongest.activations(run, None, "external", "units"), planted)
    atlas = run / "report" / "atlas"
    script = (atlas / "data" / "index.js").read_text()
    index = json.loads(script.removeprefix('atlasPut("index",').removesuffix(");\n"))
    assert index["title"].startswith("Atlas of a.npz on ") and index["run"]["activations"] == "a.npz"
    place = [layer["name"] for layer in index["layers"]].index("units")
    script = (atlas / "data" / f"layer{place}.js").read_text()
    lines = json.loads(script.removeprefix(f'atlasPut("layer{place}",').removesuffix(");\n"))
    strongest = lines[0]["clips"][lines[0]["roles"].index("strongest")]
    assert index["clips"][strongest]["id"] == f"c{CLIPS - 1}"
    assert (atlas / "clips" / f"{strongest}.ogg").exists()
    script = (atlas / "data" / f"layer{1 - place}.js").read_text()
    [line] = json.loads(script.removeprefix(f'atlasPut("layer{1 - place}",').removesuffix(");\n"))
    assert (atlas / line["map"]).exists()


def test_the_report_is_of_the_file(scored):
    run = pathlib.Path(scored.attrs["workdir"])
    material = workdir_files.read_material(run)
    assert material.selectivity is not None and material.changing is not None
    assert material.selectivity["units"][2] == pytest.approx(1) and material.selectivity["units"][0] < 0.5
    assert material.changing["units"][2] == 3
    said = first_screen._ran(summarise(load_scores(run)), material)
    assert "a.npz" in said[0] and "vgg" not in said[0]
