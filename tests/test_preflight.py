"""A look at a folder of sounds names all obstacles at once, and the flags that answer them do."""

from types import SimpleNamespace

import numpy as np
import pytest
from dataset_trees import write

from actjax import preflight, quick, runs
from actjax.defaults import default_config

STAGES = ("data", "train", "score", "findings", "report")


def folder(path, *, classes=3, each=8, seconds=0.5, name="{i}.wav", rate=12_000):
    rng = np.random.default_rng(0)
    for c in range(classes):
        for i in range(each):
            path_of = path / "sounds" / f"class{c}" / name.format(i=i)
            write(path_of, rng.uniform(-0.5, 0.5, int(seconds * rate)), rate)
    return path


def opened(path, **options):
    config = default_config()
    config.data.name = f"audio_folder(path={str(path / 'sounds')!r},workers=1)"
    config.update_from_flattened_dict(options)
    return runs.open_run(config, path / "run", data_dir=str(path / "data"))


def test_half_second_files_meet_one_refusal_with_all_flags(tmp_path):
    run = opened(folder(tmp_path, each=2))
    found = preflight.survey(run, STAGES)
    said = found.refusal()
    assert said.startswith("4 obstacles: (1) 6 of 6 recordings are shorter than 1.5 s")
    for words in (
        "'vgg' cannot take an image",
        "--config.data.clip_seconds=0.5",
        "--config.frontend.hop_samples",
    ):
        assert words in said
    assert "\n" not in said and not (tmp_path / "data").exists()
    answered = opened(tmp_path, **found.options)
    assert not preflight.survey(answered, STAGES).obstacles


def test_a_folder_that_fits_has_no_obstacle(tmp_path):
    found = preflight.survey(opened(folder(tmp_path, classes=2, each=40, seconds=3.0)), STAGES)
    assert not found.obstacles
    assert found.notes == [
        "only 12 clips are scored, so intervals are wide; --config.score.split=all scores every clip"
    ]


def test_one_recording_a_class_is_answered_by_another_null(tmp_path):
    run = opened(folder(tmp_path, classes=4, each=7, seconds=3.0))
    found = preflight.survey(run, STAGES)
    [null] = found.obstacles
    assert found.refusal().startswith(f"an obstacle: {null.said}; flags that answer them: --config.")
    assert "only one in class0, class1" in null.said and null.options == {"score.split": "all"}
    notes = preflight.survey(opened(tmp_path, **null.options), STAGES).notes
    assert notes == ["only 28 clips are scored, so intervals are wide", preflight.TRAINED_ON]


def test_loose_files_cannot_be_trained_on(tmp_path):
    for i in range(30):
        write(tmp_path / "sounds" / f"{i}.wav", np.sin(np.arange(36_000) / (9 + i)), 12_000)
    said = preflight.survey(opened(tmp_path), STAGES).refusal()
    assert "nothing is in the split train: put each class in a folder" in said


def test_cuts_of_recordings_are_noticed(tmp_path):
    for take in ("morning", "evening", "noon"):
        folder(tmp_path, classes=2, each=12, seconds=3.0, name=take + "_{i:02d}.wav")
    [cuts] = [note for note in preflight.survey(opened(tmp_path), STAGES).notes if "cuts" in note]
    assert "evening_0" in cuts and "6 such groups are in more than one split" in cuts
    numbered = folder(tmp_path / "other", classes=2, each=12, seconds=3.0, name="cello_{i}.wav")
    assert not [note for note in preflight.survey(opened(numbered), STAGES).notes if "cuts" in note]


def test_a_quick_run_answers_and_keeps_what_was_given(tmp_path, capsys):
    run = quick.quickened(opened(folder(tmp_path, each=9), **{"train.steps": 7}), STAGES, ["train.steps"])
    assert run.config.train.steps == 7 and run.config.data.clip_seconds == 0.5
    assert run.config.findings.untrained == 0 and not preflight.survey(run, STAGES).obstacles
    out = capsys.readouterr().out
    assert "quick: for a look" in out and "--config.data.clip_seconds=0.5" in out and "train.steps" not in out


def test_a_data_set_that_is_no_folder_is_not_looked_at(tmp_path):
    config = default_config()
    config.data.config = "tiny"
    found = preflight.survey(runs.open_run(config, tmp_path / "run", data_dir=str(tmp_path)), STAGES)
    assert found == preflight.Survey()


@pytest.mark.parametrize(("value", "shown"), [("all", "all"), (0.5, "0.5"), ("a(b=(7,))", '"a(b=(7,))"')])
def test_flags_are_as_a_shell_takes_them(value, shown):
    assert preflight.flags({"score.split": value}) == f"--config.score.split={shown}"


def test_what_is_not_listed_before_a_download_is_not_surveyed(tmp_path):
    """A set of the TFDS catalogue has a listing without recordings, and would be downloaded to list it."""

    class Builder:
        builder_config = SimpleNamespace(listing=SimpleNamespace(recordings={}))

        def jobs(self):
            raise AssertionError("downloaded")

    run = opened(tmp_path)
    vars(run)["builder"] = Builder()
    assert preflight.survey(run, STAGES) == preflight.Survey()
    run.builder.builder_config = SimpleNamespace(listing=None)
    assert preflight.survey(run, STAGES) == preflight.Survey()
