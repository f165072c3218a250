"""Every pass over clips reads what no program computes, and refuses activations that are not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup
from actjax.activations import capture, clips, comparisons
from actjax.extraction import tabulated
from actjax.types import Batch, Feature, Frontend, Layer

SAMPLES, CLIPS = 4096, 8
FRONT = Frontend(sample_rate_hz=12_000, n_mels=8)


def features():
    """One computed on the devices, one on the host, one looked up by clip."""
    computed = lookup.load("feature", "rms", sample_rate_hz=12_000, hop_samples=256, n_fft=512)
    hosted = Feature(
        name="peak",
        fn=lambda wave: (np.abs(wave).max()[None, None], np.ones(1, bool)),
        rows=1,
        row_names=("peak",),
        axis="none",
        sample_rate_hz=12_000,
        hop_samples=None,
        window_samples=1,
        unit="",
        reference="",
        host=True,
    )
    table = np.arange(100, dtype=np.float32)
    return computed, hosted, tabulated.make("place", lambda index: table[index][:, None, None], ("place",))


def observer(apply=None, read_layers=None):
    setting = comparisons.Setting(FRONT, np.arange(1.0, 9.0), SAMPLES, frozenset({("clip", False)}))
    problems, _ = comparisons.plan([Layer("units", neurons=3, depth=1.0)], features(), setting)
    family = capture.Family(("one", "two"), apply, {"weight": np.array([1.0, 2.0])}, tuple(problems))
    return clips.make_observer([family], features(), FRONT, read_layers)


def batches(real):
    """Two batches of four clips from the end of a source of many; the second is filled up."""
    index = np.arange(len(real), dtype=np.int32) + 50
    audio = np.full((len(real), SAMPLES), 0.1, np.float32) * (1 + np.arange(len(real)))[:, None] / 10
    every = Batch(audio, np.asarray(real), np.full(len(real), SAMPLES, np.int32), index * 0, index * real)
    for start in range(0, len(real), 4):
        yield Batch(*(side[start : start + 4] for side in every))


def observed(chosen, real):
    """{clip: (neurons of both networks, feature rows)}."""
    out = {}

    def keep(batch, sides):
        [[both]] = sides
        neurons = np.concatenate(list(np.asarray(both.neurons)), axis=1)[:, :, 0]
        rows = np.asarray(both.rows).reshape(len(batch.mask), -1)
        for row in np.flatnonzero(batch.mask):
            out[int(batch.index[row])] = neurons[:, row], rows[row]

    names = [f"clip {i}" for i in range(100)]
    clips.observe_clips(chosen, batches(np.asarray(real)), keep, clip_ids=names)
    return out


def units(variables, image_bft):
    loudest = image_bft.max(axis=(1, 2))[:, None]
    return {"units": loudest * variables["weight"] * jnp.array([[1.0, 2.0, 3.0]])}


def test_features_of_the_host_and_by_clip_stand_beside_computed_ones_and_padding_is_left_out():
    found = observed(observer(units), [True] * 7 + [False])
    assert list(found) == list(range(50, 57))
    for place, (neurons, rows) in found.items():
        assert neurons.shape == (2, 3)
        np.testing.assert_allclose(neurons[1], 2 * neurons[0], rtol=1e-6)
        np.testing.assert_allclose(rows, [rows[0], 0.01 * (place - 49), place], rtol=1e-5)


def test_layers_that_come_with_the_batch_are_read_by_clip():
    layer = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    found = observed(observer(None, lambda index: {"units": layer[index]}), [True] * 5 + [False] * 3)
    assert list(found) == list(range(50, 55))
    for place, (neurons, _) in found.items():
        np.testing.assert_array_equal(neurons, np.stack([layer[place]] * 2))


def test_an_activation_that_is_not_finite_is_named_and_padding_may_hold_any():
    def broken(variables, image_bft):
        rows = jax.nn.relu(units(variables, image_bft)["units"] * 0 + 1)
        third = (variables["weight"] > 1) & (jnp.arange(3) == 2)[None]
        return {"units": jnp.where(third, jnp.inf, rows)}

    line = r"finite activations, got NaN or infinity in network two, layer units, neuron 2, clip clip 50"
    with pytest.raises(ValueError, match=line):
        observed(observer(broken), [True] * 8)
    layer = np.full((100, 3), np.nan, np.float32)
    layer[:54] = 0
    read = observer(None, lambda index: {"units": layer[index]})
    # The second batch holds no clip, as the last share of one of several processes may.
    assert len(observed(read, [True] * 4 + [False] * 4)) == 4


def test_the_next_batch_is_on_its_way_before_one_is_looked_at():
    events, chosen = [], observer(units)

    def program(variables, audio, *others):
        events.append(f"observe {round(10 * float(np.max(audio)) / 0.1) // 4}")
        return chosen.program(variables, audio, *others)

    def add(batch, sides):
        events.append(f"add {batch.index[0] // 4 - 12}")

    names = [f"clip {i}" for i in range(100)]
    given = batches(np.ones(12, bool))
    after = {"after_batch": lambda: events.append("after")}
    clips.observe_clips(chosen._replace(program=program), given, add, clip_ids=names, **after)
    assert events == [
        "observe 1", "observe 2", "add 0", "after", "observe 3", "add 1", "after", "add 2", "after"
    ]  # fmt: skip


def test_what_is_supplied_for_a_batch_is_made_once():
    """Who compiles a pass beforehand asks for it too."""
    asked = []
    supply = clips.supplied_once(lambda batch: asked.append(batch) or len(asked))
    first, second = batches([True] * 8)
    assert [supply(first), supply(first), supply(second), supply(second), supply(first)] == [1, 1, 2, 2, 3]
    assert [id(batch) for batch in asked] == [id(first), id(second), id(first)]
