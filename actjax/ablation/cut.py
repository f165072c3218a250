"""Cuts a network at a layer: computes its outputs from another value of that layer's output."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal

# (variables, image [b, f, t]) -> logits [b, classes], layer -> [b, f, t, c] or [b, c].
Forward = Callable[[Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]
# A layer's output -> what stands in its place.
Replace = Callable[[jax.Array], jax.Array]


def replaced(forward: Forward, layer: str) -> Callable[[Any, jax.Array, Replace], jax.Array]:
    """Makes what computes the logits with another value in place of a layer's output.

    The network is traced once and its operations are run again one by one; where the layer's output has been
    computed, the other value goes on in its place. Whatever path leads from the layer to the logits, skip
    connections too, sees the other value, and the network itself needs no hook.

    Args:
      forward: the whole network, in evaluation.
      layer: a name among its layers.

    Returns:
      (variables, image, replace) -> logits; under `jax.vmap` what comes before the layer is computed once.

    Raises:
      ValueError: the layer's output is not on the way to the logits (a copy is returned, or it is inside of a
        loop), so that nothing would change.
    """

    def outputs(variables: Any, image_bft: jax.Array, replace: Replace) -> jax.Array:
        traced, shapes = jax.make_jaxpr(forward, return_shape=True)(variables, image_bft)
        place = _place(shapes, layer)
        var = traced.jaxpr.outvars[place]
        _check_used(traced, var, layer)
        return _run(traced, var, replace, jax.tree.leaves((variables, image_bft)))

    return outputs


def _place(shapes: Any, layer: str) -> int:
    """Which of the flat outputs the layer's is."""
    marked = (shapes[0], {name: name == layer for name in shapes[1]})
    leaves = jax.tree.leaves((None, marked[1]))
    return len(jax.tree.leaves(shapes[0])) + leaves.index(True)


def _check_used(traced: ClosedJaxpr, var: Any, layer: str) -> None:
    equations = traced.jaxpr.eqns
    computed = any(var in eqn.outvars for eqn in equations)
    used = any(v is var for eqn in equations for v in eqn.invars)
    if not (computed and used):
        raise ValueError(
            f"layer {layer}: the network does not go on from the output that it returns, so setting a neuron "
            "there changes nothing; return the array itself"
        )


def _run(traced: ClosedJaxpr, var: Any, replace: Replace, arguments: list[Any]) -> Any:
    """The first output of the traced operations, with another value of one variable."""
    jaxpr, known = traced.jaxpr, {}
    known.update(zip(jaxpr.constvars, traced.consts, strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else known[v]

    for eqn in jaxpr.eqns:
        bound = eqn.primitive.get_bind_params(eqn.params)
        # Releases differ in whether the functions that an operation calls stand apart from its parameters.
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        result = eqn.primitive.bind(*functions, *map(read, eqn.invars), **params)
        known.update(zip(eqn.outvars, result if eqn.primitive.multiple_results else [result], strict=True))
        if var in eqn.outvars:
            known[var] = replace(known[var])
    return read(jaxpr.outvars[0])
