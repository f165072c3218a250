"""actjax.atlas: what comes is refused before work or kept as it is; the docstring's example runs it whole."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import actjax
from actjax.data.recordings import manifest
from actjax.defaults import default_config
from actjax.external.layers import open_activations
from actjax.results import atlas_of_arrays
from actjax.workdir import recorded_config

RATE, CLIPS = 4_000, 6
WAVES = (0.1 * np.random.default_rng(0).normal(size=(CLIPS, 400))).clip(-1, 1).astype(np.float32)
UNITS = np.arange(2.0 * CLIPS).reshape(CLIPS, 2)
MAPS = np.zeros((CLIPS, 3, 4, 5), np.float32)


@pytest.fixture
def asked(monkeypatch):
    """What the run would have been asked for."""
    calls = []

    def run(config, workdir, **options):
        calls.append((config, workdir, options))
        return SimpleNamespace(atlas=workdir / "report" / "atlas" / "index.html")

    monkeypatch.setattr(atlas_of_arrays, "run", run)
    return calls


def test_sounds_and_activations_are_kept_as_they_are(asked, tmp_path):
    import soundfile

    waves = [WAVES[0], *(wave[: 300 + i] for i, wave in enumerate(WAVES[1:]))]
    ids = ["flöte 1", "../b", "c", "d", "e", "f"]
    as_typed = [" flöte 1", *ids[1:]]
    page = actjax.atlas(
        {"conv": jnp.asarray(MAPS), "units": UNITS},
        waves,
        RATE,
        labels=["x", np.str_("y"), ("x", np.str_("y")), "y", "x", np.int64(3)],
        clip_ids=as_typed,
        hop_s=0.01,
        time0_s=0.005,
        workdir=tmp_path / "one",
        options={"score.features": "rms"},
    )
    assert page == tmp_path / "one" / "report" / "atlas" / "index.html"
    [(config, workdir, options)] = asked
    assert config == "quickstart" and workdir == tmp_path / "one"
    assert options["options"]["score.features"] == "rms"
    assert options["options"]["data.clip_seconds"] == 0.1
    rows = manifest.read_manifest(tmp_path / "one" / "arrays" / "clips.jsonl", None)
    assert [row.clip_id for row in rows] == ids and [row.recording_id for row in rows] == ids
    assert [row.labels for row in rows][2:4] == [("x", "y"), ("y",)] and rows[5].labels == ("3",)
    for row, wave in zip(rows, waves, strict=True):
        np.testing.assert_array_equal(soundfile.read(row.path, dtype="float32")[0], wave)
    opened = open_activations(tmp_path / "one" / "arrays" / "activations")
    assert opened.clip_ids == tuple(ids)
    [conv, units] = opened.layers
    assert (conv.hop_s, conv.time0_s, conv.field_s) == (0.01, 0.005, 0.01)
    np.testing.assert_array_equal(units.read(np.arange(CLIPS)), UNITS)


def test_the_same_arrays_are_written_once_and_others_refused(asked, tmp_path):
    where = {"workdir": tmp_path / "two"}
    actjax.atlas(UNITS, WAVES, float(RATE), **where)
    kept = tmp_path / "two" / "arrays" / "digest.json"
    before = kept.stat().st_mtime_ns
    actjax.atlas(UNITS, WAVES, RATE, **where, options={"score.metrics": "spearman"})
    assert kept.stat().st_mtime_ns == before and len(asked) == 2
    # No stage ran: the run refused the arrays' labels, say. Then others may take their place.
    actjax.atlas(UNITS + 1, WAVES, RATE, **where)
    assert kept.stat().st_mtime_ns != before
    recorded_config.write(tmp_path / "two", "data", default_config().to_dict())
    with pytest.raises(ValueError, match="is that of other arrays: name another workdir"):
        actjax.atlas(UNITS, WAVES, RATE, **where)
    actjax.atlas(UNITS + 1, WAVES, RATE, **where)
    (tmp_path / "mine" / "arrays").mkdir(parents=True)
    with pytest.raises(ValueError, match="is that of other arrays"):
        actjax.atlas(UNITS, WAVES, RATE, workdir=tmp_path / "mine")
    recorded_config.write(tmp_path / "three", "score", default_config().to_dict())
    with pytest.raises(ValueError, match="is that of other arrays"):
        actjax.atlas(UNITS, WAVES, RATE, workdir=tmp_path / "three")


def test_a_capture_knows_ids_and_times(asked, tmp_path):
    def network(params, wave):
        return {"rectified": jnp.maximum(wave[:, ::4, None] * params[None, None], 0)}

    captured = actjax.capture(
        network, WAVES, np.ones(2, np.float32), sample_rate_hz=RATE, clip_ids=list("abcdef")
    )
    actjax.atlas(captured, WAVES, RATE, workdir=tmp_path / "captured")
    opened = open_activations(tmp_path / "captured" / "arrays" / "activations")
    assert opened.clip_ids == tuple("abcdef") and opened.layers[0].hop_s == pytest.approx(4 / RATE)


def test_louder_waves_are_all_divided_by_one_peak(asked, tmp_path, capsys):
    import soundfile

    actjax.atlas(UNITS, (WAVES * 20_000).astype(np.int16), RATE, workdir=tmp_path / "loud")
    assert "where full scale is 1: all are divided by it" in capsys.readouterr().out
    ends = [
        np.abs(soundfile.read(tmp_path / "loud" / "arrays" / "sounds" / f"{i}.wav")[0]).max()
        for i in range(6)
    ]
    np.testing.assert_allclose(ends, np.abs(WAVES).max(1) / np.abs(WAVES).max(), rtol=1e-3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"activations": UNITS[:4]}, "layer 'activations': expected 6 clips, one a wave, got 4"),
        ({"activations": MAPS}, "layer 'activations' has 4 frames: say hop_s="),
        ({"activations": {}}, "got an empty mapping"),
        ({"activations": UNITS.astype(str)}, r"expected numbers \[clips, units\]"),
        (
            {"waves": WAVES[None]},
            r"wave 0: expected finite numbers \[samples\], got float32 of shape \[6, 400\]",
        ),
        ({"waves": WAVES * np.nan}, "wave 0: expected finite numbers"),
        ({"waves": []}, "expected waves"),
        ({"sample_rate_hz": 44.1}, "sample_rate_hz must be a whole number from"),
        ({"labels": ["x"]}, "expected 6 labels, one a clip, got 1"),
        ({"labels": np.eye(6)}, r"got an array of shape \[6, 6\]"),
        ({"clip_ids": list("aabcde")}, "expected 6 different clip_ids"),
        ({"clip_ids": ["", *"bcdef"]}, "ids that say something"),
        ({"recording_ids": ["r"]}, "expected 6 recording_ids, one a clip, got 1"),
        ({"options": {"data.sample_rate_hz": 1}}, "data.sample_rate_hz follows from the arrays"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(asked, tmp_path, changed, said):
    asks = {
        "activations": UNITS,
        "waves": WAVES,
        "sample_rate_hz": RATE,
        "workdir": tmp_path / "no",
    } | changed
    with pytest.raises(ValueError, match=said):
        actjax.atlas(**asks)
    assert not asked and not (tmp_path / "no").exists()
