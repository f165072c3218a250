"""Results of a run from Python: tables, neurons, pictures, and options that are refused."""

import numpy as np
import pytest

import actjax
from actjax import lookup
from actjax.defaults import default_config
from actjax.results.picture import Clip, Sounds

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A made-up workdir, in which neuron 2 of conv4 is planted to follow a row of chroma_stft."""
    import sys

    from launching import ROOT

    sys.path.append(str(ROOT / "tests" / "report"))
    from synthetic_scores import write_workdir

    folder = tmp_path_factory.mktemp("result") / "<b>run"
    write_workdir(folder, layers={"conv4": (0.8, 4)}, features={"chroma_stft": 12, "rms": 1})
    return actjax.load_run(folder)


def test_the_best_neurons_are_those_of_the_report(result):
    best = result.best(3)
    assert len(best) == 3 and len(result.best(None)) == 4
    first = best.iloc[0]
    assert (first.layer, first.neuron, first.feature) == ("conv4", 2, "chroma_stft")
    assert first.gain == pytest.approx(
        abs(first.score) - max(abs(first.untrained), abs(first.input)), abs=1e-6
    )
    assert (best.gain.diff().dropna() <= 0).all()


def test_a_constant_neuron_has_no_view_and_no_metric(result, monkeypatch):
    from actjax.report import neurons

    whole = neurons.best_of_neurons(result.table, result.summary)
    constant = whole._replace(set=np.where(whole.neuron == 0, -1, whole.set))
    monkeypatch.setattr(neurons, "best_of_neurons", lambda table, summary: constant)
    best = result.best(None).set_index("neuron")
    assert best.loc[0, ["view", "metric"]].tolist() == ["", ""]
    assert best.loc[2, "view"] in ("clip", "frame") and best.loc[2, "metric"] == "pearson"


def test_the_scores_are_the_tables(result):
    scores = result.scores
    assert len(scores) == result.table.num_rows and {"layer", "score", "p_maxt"} <= set(scores.columns)
    assert result.config["score.metrics"] == "pearson"


def test_a_neuron_has_its_scores_and_a_picture(result):
    unit = result.unit("conv4", 2)
    assert set(unit.scores.neuron) == {2} and set(unit.scores.network.astype(str)) == {"trained"}
    assert unit.plot()._repr_png_()[:4] == b"\x89PNG"
    assert unit.plot("clip").png != unit.plot("frame").png
    with pytest.raises(lookup.UnknownNameError, match="no scores of view 'pixel' here; known: "):
        unit.plot("pixel")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("conv5", 2), "no layer 'conv5' in .*; did you mean conv4"),
        (("conv4", 99), "no scores of trained conv4, neuron 99"),
        (("conv4", 0, "tuned"), "no network 'tuned' in"),
    ],
)
def test_a_neuron_that_is_not_there_is_refused(result, place, message):
    with pytest.raises(ValueError, match=message):
        result.unit(*place)


def test_a_look_from_python_is_kept_apart_from_the_run(monkeypatch):
    from actjax import experiment

    asked = []
    monkeypatch.setattr(experiment, "run", lambda **options: asked.append(options["workdir"]))
    for quick in (False, True):
        actjax.run("quickstart", quick=quick)
    assert asked == ["runs/quickstart", "runs/quickstart_quick"]


def test_a_notebook_shows_it_escaped(result):
    html = result._repr_html_()
    assert "&lt;b&gt;run" in html and "<b>run" not in html and "<td>chroma_stft</td>" in html


def test_a_picture_is_found_by_the_beginning_of_its_name(result):
    with pytest.raises(FileNotFoundError, match="no report in .*: run the stage report"):
        result.plot()
    with pytest.raises(FileNotFoundError, match="no atlas in .*: run the stage atlas"):
        _ = result.atlas
    (result.workdir / "report" / "atlas").mkdir(parents=True)
    (result.workdir / "report" / "atlas" / "index.html").write_text("atlas")
    assert result.atlas.read_text() == "atlas"
    (result.workdir / "report" / "index.html").write_text("page")
    (result.workdir / "report" / "heat_frame_within_pearson.png").write_bytes(b"\x89PNG")
    assert result.plot().png == b"\x89PNG" and result.page.name == "index.html"
    with pytest.raises(lookup.UnknownNameError, match="no picture 'forest'"):
        result.plot("forest")


def test_clips_are_sounds_that_a_browser_plays(tmp_path):
    import soundfile

    wave = np.sin(np.arange(1200) / 10).astype(np.float32) * 0.5
    clip = Clip("a<b", "flute", 1.5, wave, 12_000)
    (tmp_path / "clip.wav").write_bytes(clip.wav())
    read, rate = soundfile.read(tmp_path / "clip.wav")
    assert rate == 12_000 and np.abs(read - wave).max() < 1e-4
    html = Sounds("conv1, neuron 3", [clip])._repr_html_()
    assert html.count("<audio") == 1 and "a&lt;b" in html and "data:audio/wav;base64," in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "quickstrat"}, "config 'quickstrat': the file is not there"),
        ({"options": {"train.stepz": 3}}, "unknown option 'train.stepz'; did you mean train.steps"),
        ({"options": {"train.steps": "many"}}, "an option of another kind"),
        ({"stage": "scor"}, "did you mean score"),
        ({"config": default_config(), "options": {"score.metrics": "pearsn"}}, "did you mean pearson"),
    ],
)
def test_what_the_command_line_refuses_is_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        actjax.run(workdir=tmp_path / "run", data_dir=tmp_path, **arguments)
    assert not (tmp_path / "run").exists()


def test_a_config_that_is_handed_over_stays_as_it_was(tmp_path, monkeypatch):
    from actjax import experiment

    asked = []
    monkeypatch.setattr(experiment, "run", lambda **options: asked.append(options))
    config = default_config()
    result = actjax.run(config, tmp_path / "run", options={"train.steps": 7})
    assert config.train.steps == 800 and asked[0]["config"].train.steps == 7
    assert asked[0]["workdir"] == str(result.workdir) == str(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sounds").mkdir()
    result = actjax.run("sounds", data_dir=tmp_path)
    assert asked[1]["config"].data.name == "audio_folder(path='sounds')"
    assert str(result.workdir) == "runs/sounds" and result.data_dir == str(tmp_path)
