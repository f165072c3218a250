"""A population's members come out as they do alone: weights, curves, early stopping; and they resume."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import synthetic

from actjax import parallel
from actjax.train import checkpoint, loop, population
from actjax.workdir import curve

pytestmark = pytest.mark.usefixtures("standard_promotion")
STEPS = 8
COMMON = {"frontend": synthetic.FRONTEND, "num_steps": STEPS, "steps_per_epoch": 8, "progress": False}


def members(folder, batches=synthetic.train_batches):
    """Two seeds, one of them also with another learning rate; the first worse evaluation ends training."""
    options = functools.partial(synthetic.train_options, eval_every=2, log_every=2, patience=1, batch_size=8)
    chosen = [options(seed=1), options(seed=2), options(seed=2, learning_rate=3e-2, label_smoothing=0.1)]
    return [
        population.Member(folder / str(i), one, _of_seed(batches, one.seed), evaluated)
        for i, (one, evaluated) in enumerate(zip(chosen, (*[synthetic.eval_batches] * 2, wrong), strict=True))
    ]


def wrong():
    """Every clip under another class's label: the loss grows while the network learns, which stops early."""
    for batch in synthetic.eval_batches():
        yield batch._replace(label=(batch.label + 1) % synthetic.CLASSES)


def _of_seed(batches, seed):
    """Each seed has an order of its own."""
    return lambda start: batches(start + 100 * seed)


def network():
    return synthetic.network(parallel.AXIS, dropout=0.2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for one in members(folder):
            settings = COMMON | {"train_batches": one.train_batches, "eval_batches": one.eval_batches}
            loop.fit(model=network(), options=one.options, workdir=one.workdir, **settings)
    return folder


def compare(folder, alone, tolerance):
    """Weights to `tolerance`, and all that is recorded of training; without it the curve's numbers too."""
    for one in members(folder):
        expected = alone / one.workdir.name
        weights, meta = checkpoint.load_best(one.workdir)
        wanted, record = checkpoint.load_best(expected)
        for (path, a), b in zip(
            jax.tree_util.tree_leaves_with_path(weights), jax.tree.leaves(wanted), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=str(path))
        for name in ("best_step", "finished", "stopped_early", "since_best"):
            assert meta[name] == record[name], name
        lines, wanted_lines = curve.read(one.workdir), curve.read(expected)
        assert [line["step"] for line in lines] == [line["step"] for line in wanted_lines]
        for line, of_alone in zip(lines, wanted_lines, strict=True):
            assert line["loss"] == pytest.approx(of_alone["loss"], rel=1e-3 if tolerance else 0, abs=0)


@pytest.mark.long  # tests/search/test_search.py trains a population in every run
def test_members_in_turn_come_out_as_alone_bit_for_bit_after_a_stop_too(tmp_path, alone):
    stopped = []

    def batches(start):
        for step, batch in enumerate(synthetic.train_batches(start), start):
            if step % 100 == 5 and not stopped:
                stopped.append(step)
                raise Killed
            yield batch

    with pytest.raises(Killed):
        population.fit(members(tmp_path, batches), model=network(), **COMMON)
    assert stopped
    population.fit(members(tmp_path), model=network(), **COMMON)
    compare(tmp_path, alone, 0)
    # One of them stopped early, at another step than the others.
    assert (
        len({checkpoint.Checkpoints(one.workdir / "checkpoints").newest() for one in members(tmp_path)}) > 1
    )
    population.fit(
        members(tmp_path, lambda start: 1 / 0), model=network(), **COMMON
    )  # finished: reads nothing


class Killed(BaseException):
    """What no code under test catches."""


@pytest.mark.long
def test_members_vmapped_come_out_as_alone(tmp_path, alone, monkeypatch):
    monkeypatch.setattr(parallel, "on_cpu", lambda: False)
    population.fit(members(tmp_path), model=network(), **COMMON)
    compare(tmp_path, alone, 1e-5)


def test_members_that_differ_in_more_are_refused():
    first = synthetic.train_options()
    population.check_alike([first, dataclasses.replace(first, seed=3, weight_decay=0.1)])
    with pytest.raises(ValueError, match="alone, got others in train.batch_size: 32 and 8"):
        population.check_alike([first, dataclasses.replace(first, batch_size=8)])
