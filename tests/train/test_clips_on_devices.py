"""Batches from clips on the devices are the loader's, bit by bit, and train alike."""

import dataclasses

import jax
import numpy as np
import pytest
import synthetic

from actjax import parallel
from actjax.data import loader, resident
from actjax.data.loader import Source
from actjax.nn.frontend import images
from actjax.train import clips, imaged, loop, pace, supply, trainer


def source(count, stored=np.int16, multi_label=False, seed=0):
    """Clips of the synthetic task, some shorter and some longer than clip_samples."""
    audio, label = synthetic.clips(count, seed)
    rng = np.random.default_rng(seed)
    lengths = rng.choice([synthetic.SAMPLES, 3000], count).astype(np.int32)
    waves = [{"audio": wave[: rng.choice([3500, 4000])]} for wave in audio]
    if stored == np.int16:
        waves = [{"audio": np.round(wave["audio"] * 32767).astype(np.int16)} for wave in waves]
    if multi_label:
        label = np.eye(synthetic.CLASSES, dtype=np.uint8)[label]
    names = [str(i) for i in range(count)]
    classes = ("a", "b", "c")
    return Source(waves, names, names, label, classes, 12_000, synthetic.SAMPLES - 100, "", lengths)


@pytest.mark.parametrize(("stored", "multi_label"), [(np.int16, False), (np.float32, True)])
def test_gathered_batches_are_the_loaders(stored, multi_label):
    train, validation = source(21, stored, multi_label), source(10, stored, multi_label, seed=1)
    of_clips = clips.TrainingClips(train, validation, batch_size=8, seed=3, num_steps=10)
    for supplied, loaded in (
        (of_clips.train_batches(2), loader.batches(train, batch_size=8, seed=3, epochs=None, start_step=2)),
        (of_clips.eval_batches(), loader.batches(validation, batch_size=8)),
    ):
        gather = parallel.pmap(supplied.gather)
        count = 0
        for expected, sent in zip(loaded, supplied.sent, strict=False):
            got = parallel.unshard(gather(supplied.on_device, parallel.shard(sent)))
            jax.tree.map(np.testing.assert_array_equal, got, expected)
            assert [leaf.dtype for leaf in got] == [leaf.dtype for leaf in expected]
            count += 1
            if count == 6:
                break
        assert count in (2, 6)


def fit(workdir, of_clips, **options):
    return loop.fit(
        model=synthetic.network(parallel.AXIS, dropout=0.2),
        frontend=synthetic.FRONTEND,
        train_batches=of_clips.train_batches,
        eval_batches=of_clips.eval_batches,
        num_steps=12,
        steps_per_epoch=8,
        options=synthetic.train_options(
            batch_size=8, learning_rate=5e-3, log_every=4, eval_every=6, **options
        ),
        workdir=workdir,
        progress=False,
    )


@pytest.mark.parametrize("call_steps", [1, 4])
def test_training_is_the_same_from_devices_from_the_loader_and_by_several_steps(
    tmp_path, monkeypatch, capsys, call_steps
):
    of_clips = clips.TrainingClips(source(21), source(10, seed=1), batch_size=8, seed=3, num_steps=12)
    made_once = fit(tmp_path / "imaged", of_clips)
    monkeypatch.setattr(trainer, "imaged", lambda source, frontend: source)
    if call_steps > 1:
        monkeypatch.setattr(pace, "pace", lambda *options: pace.Pace(*options[:3], call_steps))
    on_devices = fit(tmp_path / "devices", of_clips)
    assert isinstance(of_clips.train_batches(0), supply.Supply) and not capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(resident, "SHARE", 0.0)
    del of_clips.__dict__["_on_devices"]
    loaded = fit(tmp_path / "loader", of_clips)
    said = capsys.readouterr().out
    assert said.startswith("train: ") and said.endswith("read batch by batch\n") and said.count("\n") == 1
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("devices", "loader")]
    if call_steps == 1:
        assert lines[0] == lines[1]
        jax.tree.map(np.testing.assert_array_equal, on_devices.variables, loaded.variables)
    losses = [[entry["loss"] for entry in run.history] for run in (on_devices, loaded, made_once)]
    np.testing.assert_allclose(*losses[:2], rtol=1e-5)
    # Images of a program of their own differ in their last bits.
    np.testing.assert_allclose(losses[2], losses[1], rtol=1e-4)


def test_images_made_once_are_those_of_the_step(monkeypatch):
    train = source(70)
    of_clips = clips.TrainingClips(train, source(10, seed=1), batch_size=8, seed=3, num_steps=12)
    supplied = of_clips.train_batches(0)
    once = imaged.imaged(supplied, synthetic.FRONTEND)
    rows = parallel.shard(next(iter(supplied.sent)))
    batch, ready = (
        parallel.unshard(parallel.pmap(one.gather)(one.on_device, rows)) for one in (supplied, once)
    )
    expected = images(batch.audio, synthetic.FRONTEND, batch.length)
    np.testing.assert_allclose(images(ready.audio, synthetic.FRONTEND, ready.length), expected, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, batch[1:], ready[1:])
    assert imaged.imaged(supplied, dataclasses.replace(synthetic.FRONTEND, takes="wave")) is supplied
    monkeypatch.setattr(resident, "SHARE", 0.0)
    assert imaged.imaged(supplied, synthetic.FRONTEND) is supplied, "no room"


def test_a_run_of_less_than_an_epoch_reads_what_it_needs():
    of_clips = clips.TrainingClips(source(21), source(10), batch_size=8, seed=3, num_steps=2)
    assert not isinstance(of_clips.train_batches(0), supply.Supply)


def test_mixed_types_are_refused():
    mixed = source(3)
    mixed.reader[2]["audio"] = np.zeros(10, np.float32)
    with pytest.raises(ValueError, match="expected int16 audio as in the first clip, clip 2 has float32"):
        resident.read(mixed)


def walk(chosen, start=0):
    """The first steps of all calls of a run."""
    steps = [start]
    while steps[-1] < chosen.num_steps:
        steps.append(steps[-1] + chosen.steps_from(steps[-1]))
    return steps


@pytest.mark.parametrize(
    ("log_every", "eval_every", "num_steps"), [(20, 100, 800), (20, 57, 301), (7, 0, 50)]
)
def test_calls_meet_every_line_and_evaluation_and_do_not_depend_on_the_start(
    monkeypatch, log_every, eval_every, num_steps
):
    assert pace.pace(log_every, eval_every, num_steps, True).call_steps == 1, "on a CPU"
    monkeypatch.setattr(parallel, "on_cpu", lambda: False)
    assert pace.pace(log_every, eval_every, num_steps, False).call_steps == 1
    chosen = pace.pace(log_every, eval_every, num_steps, True)
    starts = walk(chosen)
    assert 4 <= chosen.call_steps <= pace.MOST_STEPS and len(starts) < num_steps / 1.5
    for step in range(1, num_steps + 1):
        if chosen.logs(step) or chosen.evaluates(step):
            assert step in starts
    for start in starts[1::7]:
        assert walk(chosen, start) == [step for step in starts if step >= start]
