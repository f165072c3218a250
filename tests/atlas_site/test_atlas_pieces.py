"""What the atlas is made of: bytes, pictures, sounds, choices, mean activations."""

import io
import json

import numpy as np
import pytest

from actjax.atlas_site import activity, chosen, coded, described, media, shown
from actjax.types import LayerAxis


def test_bytes_hold_values_to_a_254th_and_nothing_undefined():
    values = np.asarray([-2.0, 0.5, np.nan, 3.0])
    made = coded.coded(values)
    import base64

    back = np.frombuffer(base64.b64decode(made["bytes"]), np.uint8).astype(float)
    assert back.tolist()[2] == 255 and (made["low"], made["high"]) == (-2.0, 3.0)
    np.testing.assert_allclose(made["low"] + back[[0, 1, 3]] / 254 * 5, values[[0, 1, 3]], atol=5 / 508)
    assert coded.coded(np.full(2, np.nan))["low"] == 0.0


def test_a_script_holds_what_json_holds(tmp_path):
    value = {"a": ["</script>\u2028", None, 0.5]}
    text = coded.write_script(tmp_path / "x.js", "x", value).read_text()
    assert text.isascii() and json.loads(text[len('atlasPut("x",') : -3]) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        coded.write_script(tmp_path / "y.js", "y", float("nan"))


def test_a_picture_is_read_by_others_as_it_was_written(tmp_path):
    from matplotlib import colormaps
    from matplotlib.image import imread

    image_ft = np.arange(12.0).reshape(3, 4)
    found = imread(io.BytesIO(media.write_image(tmp_path / "a.png", image_ft).read_bytes()))
    expected = colormaps["magma"](coded.levels(image_ft[::-1], 0.0, 11.0) / 255)[..., :3]
    np.testing.assert_allclose(found[..., :3], expected, atol=1 / 255)
    stacked = imread(media.write_stack(tmp_path / "b.png", [image_ft, image_ft + 12]))
    assert stacked.shape[:2] == (6, 4) and stacked[2, 0, :3].sum() < 0.02  # one scale: the first one's least


def test_a_sound_keeps_its_pitch_and_level(tmp_path):
    import soundfile

    wave = 0.25 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 12_000)
    found, rate = soundfile.read(media.write_sound(tmp_path / "a.ogg", wave.astype(np.float32), 12_000))
    assert rate == 12_000 and len(found) == len(wave)
    assert np.abs(np.fft.rfft(found)).argmax() == 880
    assert np.sqrt(np.mean(found**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.05)


def test_clips_are_ordered_by_what_they_drive():
    means = np.arange(40.0)[:, None] * np.asarray([[1.0, -1.0]])
    np.testing.assert_array_equal(
        chosen.clips_of(means), [[39, 38, 37, 36, 29, 19, 10, 0], [0, 1, 2, 3, 10, 20, 29, 39]]
    )
    np.testing.assert_array_equal(chosen.clips_of(means[:2])[0], [1, 0, 0, 0, 1, 1, 0, 0])
    pool = chosen.pool_of([means])
    assert set(pool) == set(chosen.clips_of(means).ravel())


def test_more_clips_than_are_heard_leave_those_that_most_neurons_want(monkeypatch):
    monkeypatch.setattr(chosen, "MOST_CLIPS", 3)
    rng = np.random.default_rng(0)
    means = rng.random((50, 20))
    means[7] += 5
    pool = chosen.pool_of([means])
    assert len(pool) == 3 and 7 in pool
    assert (
        set(chosen.clips_of(means, pool).ravel()) <= set(pool)
        and (chosen.clips_of(means, pool)[:, 0] == 7).all()
    )


def test_neurons_alike_are_those_that_correlate():
    rng = np.random.default_rng(1)
    base = rng.normal(size=30)
    means = {
        "a": np.stack([base, rng.normal(size=30), np.ones(30)], 1),
        "b": np.stack([-base, 2 * base + 1], 1),
    }
    found = chosen.nearest(means)
    assert found["a"][0][0][:2] == ("b", 1) and found["a"][0][0][2] == pytest.approx(1.0)
    assert found["a"][0][-1][:2] == ("b", 0) and found["a"][2] == []
    assert all(other[:2] != ("a", 2) for layer in found.values() for line in layer for other in line)


def test_class_effects_are_differences_in_deviations():
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 3
    means = rng.normal(size=(60, 2)).astype(np.float32)
    means[:, 1] = 4.0
    found = chosen.class_effects(means, chosen.membership(labels, 4))
    mine = means[:, 0].astype(np.float64)
    expected = [(mine[labels == c].mean() - mine[labels != c].mean()) / mine.std() for c in range(3)]
    np.testing.assert_allclose(found[0, :3], expected, rtol=1e-5)
    assert np.isnan(found[0, 3]) and np.isnan(found[1]).all()


def test_maps_are_thinned_by_their_largest_cell():
    map_ft = np.zeros((100, 300))
    map_ft[51, 299] = 7.0
    found = shown.thinned(map_ft)
    assert found.shape == (34, 100) and found[17, 99] == 7.0 and found.sum() == 7.0


def test_a_matrix_that_is_undefined_on_a_clip_is_not_shown_beside_it():
    from types import SimpleNamespace

    feature = SimpleNamespace(
        name="chroma", hop_samples=10, sample_rate_hz=100, first_frame_s=0.0, rows=2, host=False
    )
    values = np.arange(8.0).reshape(2, 4)
    one = activity.Heard(0, np.zeros(40), np.zeros((2, 4)), {}, {"chroma": (values, np.arange(4) > 0)})
    np.testing.assert_array_equal(shown._matrix(one, feature)["image"], [[1, 1, 2, 3], [1, 5, 6, 7]])
    for undefined in ((values, np.zeros(4, bool)), (values * np.nan, np.ones(4, bool))):
        assert shown._matrix(one._replace(features={"chroma": undefined}), feature) == {}


def test_rows_have_names_where_they_tell_something():
    assert described.row_name("C#", 1, "chroma_stft") == "C#" and described.row_name("rms", 0, "rms") == ""
    assert described.row_name("", 3, "mfcc") == "3" and described.row_name(None, -1, "cka") == "all"


def test_means_leave_padding_out():
    output = np.ones((2, 3, 10, 1), np.float32)
    output[0, :, 5:] = 9.0
    centres = LayerAxis.of_input(10).centres() * 0.1
    found = np.asarray(activity.mean_of_cells(output, centres, np.asarray([0.45, 1.0], np.float32)))
    np.testing.assert_allclose(found[:, 0], [1.0, 1.0], rtol=1e-6)
    nearly_nothing = activity.mean_of_cells(output, centres + 1.0, np.zeros(2, np.float32))
    np.testing.assert_allclose(np.asarray(nearly_nothing)[:, 0], 1.0)


def test_writers_write_all_and_raise_the_first_error(tmp_path):
    def write(i):
        if i in (30, 40):
            raise OSError(f"no room for {i}")
        (tmp_path / str(i)).touch()

    with media.Writers() as writers:
        for i in range(30):
            writers.start(write, i)
    assert len(list(tmp_path.iterdir())) == 30
    with pytest.raises(OSError, match="no room for 30"), media.Writers() as writers:
        for i in range(30, 60):
            writers.start(write, i)
