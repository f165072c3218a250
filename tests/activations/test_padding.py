"""A recording that is shorter than a clip scores as the same recording in clips of its own length."""

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from synthetic_sounds import SHORT, WHOLE, sound, waves

from actjax import experiment, lookup, parallel
from actjax.activations import capture, comparisons, views
from actjax.defaults import default_config
from actjax.extraction.compute import compute, compute_host
from actjax.models import singlelayer
from actjax.setup import band_centres_hz, image_shape
from actjax.types import Feature, Frontend

FRONT = Frontend(n_fft=512, hop_samples=256, n_mels=40)
# The constant-Q transform is one transform of the whole clip: its filters' ends ring at -60 dB, and an
# estimated tuning is rounded to a bin of it, of up to 1 / 1.6 s.
LOOSE = {"cqt": 5e-3, "chroma_cqt": 5e-2, "tonnetz": 5e-2, "chroma_cens": 5e-3}


def made(name):
    options = {"sample_rate_hz": 12_000, "hop_samples": 256, "n_fft": 512, "n_mels": 40, "tuning": None}
    options |= {"fmin_hz": 130.8, "n_octaves": 4, "n_bins": 48, "win_frames": 5}
    own = {"f0_yin": {"n_fft": 1024, "fmin_hz": 65.4}, "cqt": {"tuning": 0.0}, "mfcc": {"deltas": 2}}
    # Quantised, so that a tuning rounded to another bin of the transform would show.
    own |= {"chroma_cens": {"tuning": 0.0}}
    own |= {"tempogram": {"win_frames": 16}, "loudness_bs1770": {"integrated": True}}
    own |= {"log_mel": {"fmin_hz": 0.0}, "percussive": {"fmin_hz": 0.0, "scale": "db"}}
    accepted = lookup.options_of("feature", name)
    chosen = {k: v for k, v in (options | own.get(name, {})).items() if k in accepted}
    return lookup.load("feature", name, **chosen)


def shown(feature, values, valid, length):
    """The frames that lie within the signal, NaN where undefined."""
    frames = values.shape[1]
    cells = views.feature_time(feature, frames, WHOLE / 12_000)
    inside = np.ones(frames, bool)
    if feature.hop_samples is not None:
        inside = np.asarray(views.ends_within(cells.reach[:, 1], np.array([length / 12_000], np.float32)))[0]
    return np.where(valid, values, np.nan)[:, inside]


@pytest.mark.long
def test_every_feature_of_a_padded_clip_is_that_of_the_clip_alone(optimised):
    features = [made(name) for name in lookup.names("feature")]
    features = [f for f in features if not f.host]
    padded, lengths = waves()
    with_padding = jax.device_get(jax.jit(lambda w, n: compute(features, w, n))(padded, lengths))
    alone = jax.device_get(jax.jit(lambda w: compute(features, w))(padded[:, :SHORT]))
    compared = 0
    for feature in features:
        for clip in np.flatnonzero(lengths == SHORT):
            long, short = (
                shown(feature, *(x[clip] for x in side[feature.name]), SHORT)
                for side in (with_padding, alone)
            )
            scale = np.nanmax(np.abs(short), initial=1e-6)
            bound = LOOSE.get(feature.name, 1e-4) * scale
            np.testing.assert_allclose(long, short, rtol=1e-4, atol=bound, err_msg=feature.name)
            compared += np.isfinite(short).sum()
    assert compared > 1000


@pytest.mark.parametrize("name", ["log_mel", "mfcc", "onset_strength"])
def test_the_range_in_decibels_hangs_from_the_signal_alone(name):
    """A click on the last sample is loudest in a frame that the clip alone does not have."""
    length = 75 * 256 + 200
    padded = np.zeros((1, WHOLE), np.float32)
    padded[0, :length] = 1e-4 * np.random.default_rng(0).normal(size=length)
    padded[0, length - 1] = 1.0
    feature = made(name)
    with_padding = compute([feature], padded, np.array([length], np.int32))[name]
    alone = compute([feature], padded[:, :length])[name]
    long, short = (
        shown(feature, *(np.asarray(x[0]) for x in side), length) for side in (with_padding, alone)
    )
    np.testing.assert_allclose(long, short, atol=1e-3)


def test_whole_clip_features_say_so():
    """A feature that changes with what follows the signal takes the signal's length."""
    told = {n for n in lookup.names("feature") if made(n).whole_clip}
    assert told >= {"log_mel", "percussive", "chroma_stft", "onset_rate", "tempo", "log_attack_time"}


def test_a_host_feature_looks_at_the_signal_alone():
    seen = []

    def fn(wave_s):
        seen.append(len(wave_s))
        frames = 1 + len(wave_s) // 256
        return np.full((1, frames), wave_s.mean(), np.float32), np.ones(frames, bool)

    feature = Feature("f", fn, 1, ("f",), "none", 12_000, 256, 512, "", "", host=True)
    wave = np.concatenate([np.ones((2, 1024)), np.zeros((2, 1024))], axis=1).astype(np.float32)
    values, valid = compute_host(feature, wave, np.array([1024, 2048]))
    assert values.shape == (2, 1, 9) and valid.sum(axis=1).tolist() == [5, 9]
    assert values[0, 0, :5].tolist() == [1.0] * 5 and values[1, 0, 0] == 0.5
    assert set(seen) == {1024, 2048}


def sides(audio, length, wants):
    """(problem, x [b, ...], y, mask) of a small network on some clips."""
    samples = audio.shape[1]
    shape = image_shape(FRONT, samples)
    module = singlelayer.model(num_classes=2)
    variables = module.init(jax.random.key(0), np.zeros((1, *shape), np.float32), train=False)
    features = [made(name) for name in ("log_mel", "rms", "percussive", "onset_rate")]
    setting = comparisons.Setting(FRONT, band_centres_hz(FRONT), samples, frozenset(wants))
    layers = [layer for layer in module.layers(shape) if layer.is_map]
    plan = tuple(comparisons.plan(layers, features, setting)[0])
    family = capture.Family(("net",), capture.network_outputs(module), capture.stack([variables]), plan)
    observe = capture.make_observe([family], features, FRONT)
    sharded = parallel.shard((audio, length, capture.Supplied()))
    found, _ = observe([parallel.replicate(family.variables)], *sharded)
    for problem, (x, y, mask) in zip(plan, found[0], strict=True):
        x = np.concatenate(list(np.asarray(x)), axis=1)[0]
        yield problem, x, parallel.unshard(y), parallel.unshard(mask)


@pytest.mark.long  # the stages below go the same way
def test_padding_takes_no_part_in_either_side(optimised):
    padded, lengths = waves()
    wants = [("clip", False), ("frame", False), ("map", True), ("map", False)]
    long = list(sides(padded, lengths, wants))
    short = list(sides(padded[:, :SHORT], np.full(len(padded), SHORT, np.int32), wants))
    assert len(long) == len(short) and {(p.view, p.cells) for p, *_ in long} == set(wants)
    clips = np.flatnonzero(lengths == SHORT)
    for (problem, *of_long), (_, *of_short) in zip(long, short, strict=True):
        x, y, mask = (side[clips] for side in of_long)
        own_x, own_y, own_mask = (side[clips] for side in of_short)
        kept = own_mask.shape[1]
        np.testing.assert_array_equal(mask[:, :kept], own_mask, err_msg=problem.name)
        assert own_mask.any() and not mask[:, kept:].any()
        if problem.view == "map":
            x, y, own_x, own_y = (np.moveaxis(side, -1, 1) for side in (x, y, own_x, own_y))
        for whole, own in ((x, own_x), (y, own_y)):
            scale = np.nanmax(np.abs(own))
            np.testing.assert_allclose(whole[:, :kept][own_mask], own[own_mask], rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(
    "features",
    [
        "log_mel,rms,onset_rate",
        pytest.param("log_mel,percussive(scale='db'),rms,onset_rate,log_attack_time", marks=pytest.mark.long),
    ],
)
def test_short_recordings_score_through_the_stages_as_in_clips_of_their_own_length(tmp_path, features):
    for i in range(8):
        path = tmp_path / "audio" / f"{i}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sound(i, SHORT), 12_000, subtype="PCM_16")
    tables = []
    for seconds in (SHORT / 12_000, WHOLE / 12_000):
        config = default_config()
        config.data.name = f"audio_folder(path={str(tmp_path / 'audio')!r},min_seconds=1.0)"
        config.data.clip_seconds = seconds
        config.score.update({"networks": "input", "null": "none", "views": "clip,frame,map", "batch_size": 8})
        config.score.features = features
        config.score.metrics = "pearson"
        for stage in ("data", "score"):
            workdir = str(tmp_path / f"{seconds}")
            experiment.run(config=config, workdir=workdir, stage=stage, data_dir=str(tmp_path / "data"))
        [found] = (tmp_path / f"{seconds}" / "scores").glob("*.parquet")
        tables.append(pq.read_table(found).to_pydict())
    keys = ("layer", "neuron", "feature", "row", "view", "metric")
    rows = [dict(zip(zip(*(t[k] for k in keys), strict=True), t["score"], strict=True)) for t in tables]
    assert rows[0].keys() == rows[1].keys() and {k[4] for k in rows[0]} == {"clip", "frame", "map"}
    one, two = (np.array([side[key] for key in rows[0]], np.float64) for side in rows)
    assert np.isfinite(one).sum() > 1000
    np.testing.assert_allclose(two, one, atol=2e-3)
    assert tables[0]["n_observations"] == tables[1]["n_observations"]


@pytest.mark.long
def test_a_clip_too_short_for_a_layer_takes_no_part(optimised):
    padded, lengths = waves()
    lengths[0] = 100
    for _, x, _, mask in sides(padded, lengths, [("clip", False)]):
        assert mask[:, 0].tolist() == [False] + [True] * (len(padded) - 1) and np.isfinite(x).all()
