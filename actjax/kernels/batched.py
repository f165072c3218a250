"""Takes all clips of a batch in one call of a kernel."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def over_clips(kernel: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A kernel of arrays [b, ...], all of one b, that gives [b, ...]: under vmap b holds a batch's clips."""

    @jax.custom_batching.custom_vmap
    def call(*sides: jax.Array) -> jax.Array:
        return kernel(*sides)

    @call.def_vmap
    def _(axis_size: int, in_batched: list[bool], *sides: jax.Array) -> tuple[jax.Array, bool]:
        every = [
            side if batched else jnp.broadcast_to(side, (axis_size, *side.shape))
            for side, batched in zip(sides, in_batched, strict=True)
        ]
        out = call(*(side.reshape(-1, *side.shape[2:]) for side in every))
        return out.reshape(axis_size, -1, *out.shape[1:]), True

    return call
