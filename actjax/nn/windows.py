"""Windows that lie side by side on a map, cell by cell."""

import jax
import jax.numpy as jnp


def each_cell(x_bftc: jax.Array, window: tuple[int, int]) -> list[jax.Array]:
    """The first cells of all windows, the second cells ...: [b, f // window, t // window, c] each."""
    (kf, kt), (f, t) = window, x_bftc.shape[1:3]
    return [x_bftc[:, i : f // kf * kf : kf, j : t // kt * kt : kt] for i in range(kf) for j in range(kt)]


def spread(y_bftc: jax.Array, window: tuple[int, int], shape: tuple[int, ...]) -> jax.Array:
    """[b, f // window, t // window, c] -> [b, f, t, c]: each value in all cells of its window, 0 in none."""
    (b, nf, nt, c), (kf, kt) = y_bftc.shape, window
    cells = jnp.broadcast_to(y_bftc[:, :, None, :, None], (b, nf, kf, nt, kt, c))
    over = ((0, 0), (0, shape[1] - nf * kf), (0, shape[2] - nt * kt), (0, 0))
    return jnp.pad(cells.reshape(b, nf * kf, nt * kt, c), over)
