"""Notes and dynamics of a sample pack come from its file names and are features by name."""

import numpy as np
import pytest
from dataset_trees import tone, write

from actjax.data import loader
from actjax.data.recordings.names import NamePattern
from actjax.datasets import audio_folder
from actjax.external import truth

OPTIONS = {"clip_seconds": 1.0, "sample_rate_hz": 8_000, "workers": 1}


@pytest.mark.parametrize(
    ("pattern", "name", "facts"),
    [
        ("*_{note}_{dynamics}", "flute/flute_A#4_mf.wav", {"note": 70, "dynamics": 80}),
        ("*_{note}_{dynamics}", "a_b_Bb-1_FFF.ogg", {"note": 10, "dynamics": 127}),
        ("{note}-{dynamics}", "060-v100.wav", {"note": 60, "dynamics": 100}),
        ("{note}v{dynamics}", "Ds2v3.wav", {"note": 39, "dynamics": 3}),
        ("piano/*/{note}", "piano/soft/b3.flac", {"note": 59}),
        # As a manifest names excerpts.
        ("*_{note}_{dynamics}", "x_C4_p.wav@0.5-3.0", {"note": 60, "dynamics": 49}),
        ("*_{note}_{dynamics}", "x_C4_p.wav@2", {"note": 60, "dynamics": 49}),
        ("{dynamics}.{note}*", "pp.c4.take (2).wav", {"dynamics": 33, "note": 60}),
    ],
)
def test_names_tell_note_and_dynamics(pattern, name, facts):
    told = dict(NamePattern(pattern).facts(name))
    assert told == {
        {"note": "midi_note", "dynamics": "midi_velocity"}[key]: value for key, value in facts.items()
    }


@pytest.mark.parametrize("name", ["flute_H4_mf.wav", "flute_A4.wav", "flute_A4_0.wav", "flute_200_mf.wav"])
def test_names_that_do_not_fit_tell_nothing(name):
    assert NamePattern("*_{note}_{dynamics}").facts(name) is None


def pack(folder):
    for label in ("flute", "cello"):
        for note in ("C4", "D#4", "A4"):
            for dynamics in ("p", "ff"):
                write(folder / label / f"{label}_{note}_{dynamics}.wav", tone(2.0))
    return folder


def test_facts_become_features_of_every_clip(tmp_path):
    builder = audio_folder.dataset(
        path=pack(tmp_path / "pack"), pattern="*_{note}_{dynamics}", data_dir=tmp_path / "tfds", **OPTIONS
    )
    builder.download_and_prepare()
    source = loader.open_source(builder, "train")
    index = np.arange(len(source))
    note, dynamics, pitch = (
        truth.load(name, source).of_clips(index)[:, :, 0]
        for name in ("truth_note", "truth_dynamics", "truth_note_class")
    )
    midi, velocity = {"C4": 60, "D#4": 63, "A4": 69}, {"p": 49, "ff": 112}
    told = [clip_id.partition(".")[0].split("_")[1:] for clip_id in source.clip_ids]
    np.testing.assert_array_equal(note[:, 0], [midi[n] for n, _ in told])
    np.testing.assert_array_equal(dynamics[:, 0], [velocity[d] for _, d in told])
    np.testing.assert_array_equal(pitch.argmax(1), note[:, 0] % 12)
    assert any("#1" in clip_id for clip_id in source.clip_ids)  # the second clip of a recording


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*_{note}", "12 of 12 names do not fit pattern='.*_.note.', the first: cello/cello_A4_ff.wav, "),
        ("*_{pitch}", "expected {note} or {dynamics} or both, each once"),
        ("*.wav", "expected {note} or {dynamics} or both"),
        ("{note}{note}", "each once"),
    ],
)
def test_a_pattern_that_does_not_fit_is_one_line(tmp_path, pattern, said):
    with pytest.raises(ValueError, match=said) as caught:
        audio_folder.dataset(path=pack(tmp_path / "pack"), pattern=pattern, data_dir=tmp_path, **OPTIONS)
    assert "\n" not in str(caught.value)


def test_clips_without_facts_say_what_knows_them(tmp_path):
    builder = audio_folder.dataset(path=pack(tmp_path / "pack"), data_dir=tmp_path / "tfds", **OPTIONS)
    builder.download_and_prepare()
    with pytest.raises(
        ValueError, match="truth_note needs the clips' midi_note.*audio_folder with a pattern"
    ):
        truth.load("truth_note", loader.open_source(builder, "test"))
