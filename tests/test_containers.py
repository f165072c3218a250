"""Arrays are taken in their containers, names kept, and scores come back in the same."""

import jax.numpy as jnp
import numpy as np
import pytest

import actjax
from actjax import containers, lookup

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(40, 2))
    return y @ rng.normal(size=(2, 3)) + rng.normal(size=(40, 3)), y


def tables(module, sides):
    x, y = sides
    return module.DataFrame({f"unit{i}": x[:, i] for i in range(3)}), module.DataFrame(
        {"rms": y[:, 0], "centroid": y[:, 1]}
    )


def test_pandas_tables_keep_their_names(sides):
    expected = actjax.score(*sides)
    scores = actjax.score(*tables(pd, sides))
    assert list(scores.index) == ["unit0", "unit1", "unit2"] and list(scores.columns) == ["rms", "centroid"]
    np.testing.assert_array_equal(scores.to_numpy(), expected)
    mixed = actjax.score(tables(pd, sides)[0], sides[1], details=True)
    assert set(mixed) >= {"score", "valid"} and list(mixed["score"].columns) == [0, 1]
    one = actjax.score(sides[0], tables(pd, sides)[1]["rms"], ["pearson", "spearman"])
    assert list(one) == ["pearson", "spearman"] and list(one["pearson"].columns) == ["rms"]
    whole = actjax.score(*tables(pd, sides), "ridge")
    assert list(whole.columns) == ["all rows"] and len(whole) == 3


def test_pandas_tables_whose_rows_do_not_agree_are_refused(sides):
    x, y = tables(pd, sides)
    with pytest.raises(ValueError, match=r"the same index, got tables .* features.loc\[activations.index\]"):
        actjax.score(x, y[::-1])


def test_polars_tables_keep_their_names(sides):
    pl = pytest.importorskip("polars")
    scores = actjax.score(*tables(pl, sides))
    assert scores.columns == ["neuron", "rms", "centroid"]
    assert scores["neuron"].to_list() == ["unit0", "unit1", "unit2"]
    np.testing.assert_array_equal(scores[:, 1:].to_numpy(), actjax.score(*sides))
    assert actjax.score(sides[0], tables(pl, sides)[1]["rms"]).columns == ["neuron", "rms"]


def test_tensors_give_tensors(sides):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(side, requires_grad=True) for side in sides)
    scores = actjax.score(x, y, clip_ids=torch.arange(40) // 10)
    assert isinstance(scores, torch.Tensor) and scores.dtype == torch.float32
    np.testing.assert_array_equal(scores, actjax.score(*sides, clip_ids=np.arange(40) // 10))
    half = actjax.score(x.bfloat16(), y)
    np.testing.assert_allclose(half, actjax.score(*sides), atol=0.02)
    maps = torch.rand(2, 1, 8, 20)
    assert isinstance(actjax.score_maps(maps, maps, "pearson"), torch.Tensor)
    assert isinstance(actjax.feature("rms", torch.rand(4000)), torch.Tensor)


def test_arrays_and_lists_come_back_as_arrays(sides):
    assert type(actjax.score([[1.0], [2.0], [4.0]], [[1.0], [2.0], [4.0]])) is np.ndarray
    wave = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    of_numpy, of_jax = (actjax.feature("rms", one) for one in (wave, jnp.asarray(wave)))
    assert type(of_numpy) is np.ndarray and isinstance(of_jax, jnp.ndarray)
    of_numpy[0, 0] = 0.0  # and may be changed
    assert containers.opened(sides[0]).kind == ""


@pytest.mark.parametrize(
    ("option", "meant"), [("sr", "sample_rate_hz"), ("hop_length", "hop_samples"), ("fmin", "fmin_hz")]
)
def test_what_librosa_calls_it_is_answered_with_the_name_here(option, meant):
    with pytest.raises(lookup.UnknownNameError, match=f"no option '{option}'; did you mean {meant}"):
        actjax.feature("mel", np.zeros(4000, np.float32), **{option: 512})
