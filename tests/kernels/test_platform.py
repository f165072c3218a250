"""Which ways of a step are traced, with CPUs alone and beside another device."""

import jax
import jax.numpy as jnp
import pytest

from actjax.kernels import platform


@pytest.mark.parametrize("others, traced", [((), ["cpu"]), (("cuda",), ["cpu", "default"])])
def test_the_other_way_is_traced_where_there_is_another_device(monkeypatch, others, traced):
    monkeypatch.setattr(platform.backend, "backends", lambda: dict.fromkeys(["cpu", *others]))
    seen = []

    def way(name, factor):
        def of(x, y):
            seen.append(name)
            return factor * x + y

        return of

    @jax.jit
    def program(x, y):
        return platform.dependent(x, y, cpu=way("cpu", 2), default=way("default", 3))

    assert jax.vmap(program, (0, None))(jnp.arange(3), jnp.asarray(1)).tolist() == [1, 3, 5]
    assert sorted(set(seen)) == traced


@pytest.mark.parametrize("first, traced", [("cuda", "default"), ("cpu", "cpu")])
def test_one_way_is_traced_where_all_programs_are_for_one_kind(monkeypatch, first, traced):
    class Device:
        platform = first

    monkeypatch.setattr(platform.backend, "backends", lambda: {"cpu": None, "cuda": None})
    monkeypatch.setattr(platform.jax, "devices", lambda: [Device()])
    ways = {"cpu": lambda x: 2 * x, "default": lambda x: 3 * x}
    with platform.one_kind():
        inside = jax.make_jaxpr(lambda x: platform.dependent(x, **ways))(1.0)
    assert str(inside) == str(jax.make_jaxpr(ways[traced])(1.0))
    outside = jax.make_jaxpr(lambda x: platform.dependent(x, **ways))(1.0)
    assert "platform_index" in str(outside)
