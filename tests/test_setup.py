"""A config is decoded once, and what it says reaches every stage."""

import numpy as np
import pytest

from actjax import experiment, lookup, runs, setup, sweep, validation
from actjax.defaults import default_config
from actjax.workdir import recorded_config


def config_of(**options):
    config = default_config()
    config.update_from_flattened_dict(options)
    return config


def test_features_take_the_front_ends_analysis_unless_they_say_otherwise():
    features = "rms,log_mel(n_mels=40),cqt,truth_pitch_classes,labels"
    options = {"score.features": features, "frontend.hop_samples": 300, "frontend.fmin_hz": 50.0}
    made = setup.resolve(config_of(**options))
    rms, log_mel, cqt = made.computed_features
    assert (rms.hop_samples, rms.window_samples, rms.sample_rate_hz) == (300, 512, 12_000)
    assert log_mel.rows == 40 and min(log_mel.centres_hz) > 50 and min(cqt.centres_hz) < 50
    assert made.features[3:] == (("truth_pitch_classes", {"hop_samples": 300}), ("labels", {}))


def test_what_is_scored_is_decoded(tmp_path):
    made = setup.resolve(
        config_of(**{"score.metrics": "pearson,cka(debiased=False)", "score.views": "clip, map"})
    )
    assert made.scored.networks == ("trained", "untrained", "input")
    assert made.scored.run_networks == ("trained", "untrained")
    assert [(one.metric.name, one.options) for one in made.metrics] == [
        ("pearson", {}),
        ("cka", {"debiased": False}),
    ]
    assert made.scored.views == ("clip", "map") and made.scored.memory_bytes == 2**30
    assert made.scored.activations is None and made.scored.external_features == ()
    for name in ("a.npz", "b.csv"):
        (tmp_path / name).touch()
    paths = {f"score.{option}": str(tmp_path / name) for option, name in
             (("activations", "a.npz"), ("external_features", "b.csv"))}  # fmt: skip
    elsewhere = setup.resolve(config_of(**paths)).scored
    assert elsewhere.networks == ("external", "input") and elsewhere.run_networks == ()
    assert elsewhere.activations == tmp_path / "a.npz"
    assert elsewhere.external_features == (tmp_path / "b.csv",)


def test_clips_and_images_are_as_the_data_set_makes_them(tmp_path):
    own = f"audio_folder(path={str(tmp_path)!r}, clip_seconds=1.5)"
    made = setup.resolve(config_of(**{"data.name": own, "data.clip_seconds": 3.0}))
    assert made.clip_samples == 18_000 and made.image_shape_ft == (96, 1 + 18_000 // 256)
    image = np.zeros((96, 71), np.float32)
    np.save(tmp_path / "mean.npy", image)
    options = {"data.name": own, "frontend.subtract": str(tmp_path / "mean.npy")}
    assert np.shape(setup.resolve(config_of(**options)).frontend.subtract) == (96, 71)


def counted(monkeypatch, owner, name):
    calls, inner = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **more: calls.append(args) or inner(*args, **more))
    return calls


def test_a_run_of_all_stages_decodes_its_config_once(tmp_path, monkeypatch):
    names = recorded_config.STAGES
    ran = []

    def follow(run):
        ran.append((run.setup, run.builder))
        return []

    for name in names:
        module = lookup.module("stage", name)
        fields = dict.fromkeys(("check_options", "check", "run"), follow)
        monkeypatch.setattr(module, "stage", module.stage._replace(**fields))
    checks = counted(monkeypatch, validation, "check")
    features = counted(monkeypatch, setup, "make_features")
    builders = counted(monkeypatch, runs, "make_builder")
    experiment.run(config=config_of(), workdir=str(tmp_path / "run"), data_dir=str(tmp_path))
    assert len(ran) == 3 * len(names) - 1 and len({(id(made), id(builder)) for made, builder in ran}) == 1
    assert (len(checks), len(features), len(builders)) == (1, 1, 1)


def test_a_variant_of_a_sweep_is_decoded_once_and_by_itself(tmp_path, monkeypatch):
    file = tmp_path / "swept.py"
    file.write_text(
        "def get_sweep():\n    return {'few': {'score.batch_size': 8}, 'many': {'score.batch_size': 64}}\n"
    )
    swept = []
    monkeypatch.setattr(experiment, "run_stages", lambda run, stages: swept.append(run) or [])
    checks = counted(monkeypatch, validation, "check")
    run = runs.open_run(config_of(), tmp_path / "run", config_path=str(file), data_dir=str(tmp_path))
    (tmp_path / "run").mkdir()
    sweep.run_variants(run)
    assert [one.setup.scored.batch_size for one in swept] == [8, 64] and len(checks) == 3
    assert {one.data_dir for one in swept} == {str(tmp_path)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score.features": "rms,rms"}, "score.features names rms more than once"),
        ({"score.metrics": "cka,cka"}, "score.metrics names cka more than once"),
        ({"score.metrics": "ssim", "score.views": "frame"}, "ssim has the views map, none of which"),
        ({"score.metrics": "partial_pearson"}, "holds score.nuisances fixed"),
        ({"weights": "w.h5", "model.name": "my.module"}, "config.weights is for the models"),
        ({"score.networks": ""}, "score.networks is empty"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as info:
        setup.resolve(config_of(**options))
    assert "\n" not in str(info.value)
