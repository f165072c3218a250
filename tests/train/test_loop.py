"""The whole loop: learning, stopping, going on."""

import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest
import synthetic

from actjax import files, parallel
from actjax.train import checkpoint, log, loop, record


def fit(workdir, batches=synthetic.train_batches, num_steps=24, judge=None, profile=None, **options):
    options = {"batch_size": 8, "learning_rate": 5e-3, "log_every": 4, "eval_every": 8, **options}
    return loop.fit(
        model=synthetic.network(parallel.AXIS, dropout=0.2),
        frontend=synthetic.FRONTEND,
        train_batches=batches,
        eval_batches=synthetic.eval_batches,
        num_steps=num_steps,
        steps_per_epoch=8,
        options=synthetic.train_options(**options),
        workdir=workdir,
        progress=False,
        watch=loop.Watch(judge, profile),
    )


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, fit(workdir, profile=workdir / "profile")


def test_a_trace_of_some_steps_is_written(whole):
    [trace] = (whole[0] / "profile").rglob("*.xplane.pb")
    assert trace.stat().st_size > 1000


def test_a_judge_ends_training_after_an_evaluation(tmp_path):
    asked = []
    result = fit(tmp_path, judge=lambda step, measured: asked.append((step, *measured)) or step < 16)
    assert asked == [(8, "loss", "accuracy"), (16, "loss", "accuracy")]
    assert result.stopped_early and result.last_step == 16


def test_it_learns_and_leaves_its_files(whole):
    workdir, result = whole
    assert [entry["step"] for entry in result.history] == [8, 16, 24]
    assert result.last_step == 24 and result.seconds > 0 and not result.stopped_early
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert result.history[-1]["accuracy"] > 0.7, "chance is 0.33"
    best = min(result.history, key=lambda entry: entry["loss"])
    assert result.best_step == best["step"] and best["best"]
    found = [(line["step"], line["split"]) for line in lines(workdir)]
    steps = [(s, "train") for s in range(4, 25, 4)] + [(s, "eval") for s in (8, 16, 24)]
    assert sorted(found) == sorted(steps)
    assert any((workdir / "events").iterdir())
    variables, meta = checkpoint.load_best(workdir)
    same(variables, result.variables)
    assert meta["best_step"] == result.best_step and meta["finished"]


def test_the_best_variables_are_those_of_the_best_evaluation(whole):
    _, result = whole
    again = loop.evaluate(
        synthetic.network(parallel.AXIS), synthetic.FRONTEND, result.variables, synthetic.eval_batches(), 3
    )
    best = next(entry for entry in result.history if entry["step"] == result.best_step)
    np.testing.assert_allclose([again.loss, again.accuracy], [best["loss"], best["accuracy"]], rtol=1e-5)


def test_a_finished_run_is_not_repeated(whole):
    workdir, result = whole

    def refuse(start):
        raise AssertionError("a finished run read training data")

    again = fit(workdir, batches=refuse)
    same(again.variables, result.variables)
    assert again.history == result.history


def test_ctrl_c_saves_and_the_next_start_goes_on_to_the_same_end(whole, tmp_path):
    _, expected = whole

    def interrupted(start):
        for step, batch in enumerate(synthetic.train_batches(start), start):
            if step == 10:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped at step 11 of 24; it is saved"):
        fit(tmp_path, batches=interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    starts = []

    def watched(start):
        starts.append(start)
        return synthetic.train_batches(start)

    result = fit(tmp_path, batches=watched)
    assert starts == [11]
    # Also the line of a step whose interval the stop cut in two.
    assert lines(tmp_path) == lines(whole[0])
    same(result.variables, expected.variables)
    assert result.history == expected.history
    steps = [(line["step"], line["split"]) for line in lines(tmp_path)]
    assert len(steps) == len(set(steps))


def damaged(workdir, folder, *steps):
    """A copy of a workdir in which a bit of the best variables is flipped at some steps."""
    shutil.copytree(workdir, folder)
    for step in steps:
        path = max((folder / f"checkpoints/{step}/best").rglob("d/*"), key=lambda p: p.stat().st_size)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize(("steps", "start"), [pytest.param((24,), 16, marks=pytest.mark.long), ((24, 16), 0)])
def test_training_goes_on_from_the_newest_whole_checkpoint(whole, tmp_path, capsys, steps, start):
    workdir, expected = whole
    folder = damaged(workdir, tmp_path / "run", *steps)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 25, "spl')  # a run killed in the middle of a line
    starts = []

    def watched(start):
        starts.append(start)
        return synthetic.train_batches(start)

    result = fit(folder, batches=watched)
    said = capsys.readouterr().out.splitlines()
    assert starts == [start] and len(said) == len(steps) + 1
    assert all(
        "best/" in line and f"set aside as damaged-{s}" in line for line, s in zip(said, steps, strict=False)
    )
    assert said[-1].endswith(f"step {start}")
    same(result.variables, expected.variables)
    assert [(e["step"], e["split"]) for e in lines(folder)] == [
        (e["step"], e["split"]) for e in lines(workdir)
    ]
    names = {p.name for p in (folder / "checkpoints").iterdir()}
    assert names == {"16", "24"} | {f"damaged-{s}" for s in steps}


def test_early_stopping(tmp_path):
    result = fit(tmp_path, num_steps=1000, eval_every=1, patience=2, learning_rate=1.0)
    losses = [entry["loss"] for entry in result.history]
    assert result.stopped_early and result.last_step == len(losses) < 1000
    assert result.best_step == 1 + int(np.argmin(losses)) == result.last_step - 2


def test_a_batch_that_devices_do_not_divide(tmp_path):
    with pytest.raises(ValueError, match="train.batch_size divisible by 4 devices, got 6; take 4 or 8"):
        fit(tmp_path, batch_size=6)


def test_too_few_batches_and_none(tmp_path):
    with pytest.raises(ValueError, match="batches for 24 steps, they ended after 2; repeat the data"):
        fit(
            tmp_path / "a",
            batches=lambda start: (
                batch for batch, _ in zip(synthetic.train_batches(start), "ab", strict=False)
            ),
        )
    with pytest.raises(ValueError, match="at least one training batch, got none"):
        fit(tmp_path / "b", batches=lambda start: iter(()))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    def broken(start):
        for batch in synthetic.train_batches(start):
            yield batch._replace(audio=batch.audio * np.float32(np.nan))

    with pytest.raises(
        ValueError,
        match="the train loss is nan at step 4, with train.learning_rate = 0.005; nothing was saved",
    ):
        fit(tmp_path, batches=broken)
    assert (
        not (tmp_path / "checkpoints").exists()
        or checkpoint.Checkpoints(tmp_path / "checkpoints").latest() is None
    )


@pytest.mark.parametrize("step", [8, pytest.param(24, marks=pytest.mark.long)])
def test_a_checkpoint_that_cannot_be_written_ends_the_run(tmp_path, monkeypatch, step):
    save = checkpoint.Checkpoints.save

    def full(self, at, meta, **items):
        if at == step:
            raise OSError("no space left")
        save(self, at, meta, **items)

    monkeypatch.setattr(checkpoint.Checkpoints, "save", full)
    with pytest.raises(OSError, match="no space left"):
        fit(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    folder = tmp_path / "checkpoints"
    saved = checkpoint.Checkpoints(folder)
    tree = {"a": np.arange(3, dtype=np.float32), "b": {"c": np.int32(1)}}
    saved.save(3, {"note": [1.5, None]}, state=tree, best=tree)
    same(saved.restore("state", like=tree), tree)
    same(saved.restore("best"), tree)
    assert saved.meta() == {"note": [1.5, None]} and saved.latest() == 3
    with pytest.raises(
        ValueError, match=r"expected state a of shape \(4,\), found \(3,\); it is of another model"
    ):
        saved.restore("state", like={**tree, "a": np.zeros(4, np.float32)})
    with pytest.raises(ValueError, match=r"expected state d of shape \(\), found none"):
        saved.restore("state", like={**tree, "d": np.float32(0)})
    saved.save(5, {}, state=tree, best=tree)
    saved.save(7, {}, state=tree, best=tree)
    assert saved.latest() == 7 and sorted(p.name for p in folder.iterdir()) == ["5", "7"]
    saved.close()


def test_no_checkpoint_is_one_clear_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a checkpoint in .*, found none; run --stage=train"):
        checkpoint.load_best(tmp_path)


def test_content_hash_sees_values_names_and_types():
    tree = {"a": np.zeros(3, np.float32)}
    others = [{"b": tree["a"]}, {"a": np.zeros(3, np.float64)}, {"a": np.float32([0, 0, 1])}]
    hashes = [checkpoint.content_hash(t) for t in (tree, *others)]
    assert len(set(hashes)) == 4 and checkpoint.content_hash({"a": tree["a"].copy()}) == hashes[0]


@pytest.mark.parametrize(
    ("step", "interval", "last", "due"),
    [
        (0, 5, 20, False),
        (4, 5, 20, False),
        (5, 5, 20, True),
        (20, 7, 20, True),
        (19, 0, 20, False),
        (20, 0, 20, True),
    ],
)
def test_every(step, interval, last, due):
    assert log.every(step, interval, last) is due


def test_a_record_beside_a_checkpoint_of_another_network_is_refused(tmp_path):
    model = synthetic.network(parallel.AXIS)
    variables = loop.init_variables(model, synthetic.FRONTEND, 0, 8_000)
    record.check_variables(tmp_path, variables, model, synthetic.FRONTEND, 8_000)
    lacking = {"params": variables["params"]}
    with pytest.raises(
        files.FileError, match=r"train\.json: does not fit .* batch_stats/.* found none; choose"
    ):
        record.check_variables(tmp_path, lacking, model, synthetic.FRONTEND, 8_000)
