"""Takes running medians of images: a kernel of a GPU in which neighbouring medians share a sort.

Windows of 31 values that start at four neighbours have 28 values in common. A thread sorts these as far as
its four medians depend on them, and merges each with the three values that its own window adds: 81
operations a median, where a network for each takes 304. Values are read where they lie, mirrored at the ends.
"""

import functools
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# Medians that a thread takes, and threads of a program.
_A_THREAD, _THREADS, _WARP = 4, 128, 32
# The shortest window that a thread's medians share, and the longest that its registers hold.
LEAST, MOST = 5, 63


def running_medians(x_btf: jax.Array, window: int, axis: int) -> jax.Array:
    """[b, t, f] float32, the medians along axis 1 or 2 of odd windows from `LEAST` to `MOST`; no NaN."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clips, along, across = x_btf.shape[0], x_btf.shape[axis], x_btf.shape[3 - axis]
    threads = -(-along // _A_THREAD) * across
    medians = pl.pallas_call(
        functools.partial(_medians, window=window, along=along, across=across, axis=axis),
        out_shape=jax.ShapeDtypeStruct((clips, along * across), jnp.float32),
        grid=(clips, -(-threads // _THREADS)),
        compiler_params=gpu.CompilerParams(num_warps=_THREADS // _WARP, num_stages=1),
    )(x_btf.reshape(clips, -1))
    return medians.reshape(x_btf.shape)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds medians; raises what stops it."""
    x = np.random.default_rng(0).standard_normal((2, 9, 41)).astype(np.float32)
    for axis in (1, 2):
        widths = [(0, 0)] * 3
        widths[axis] = (3, 3)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, widths, "symmetric"), 7, axis)
        medians = computed(functools.partial(running_medians, window=7, axis=axis), x)
        if not (np.asarray(medians) == np.median(windows, -1)).all():
            return False
    return True


@functools.cache
def selection_network(size: int, wanted: Collection[int]) -> tuple[tuple[int, int], ...]:
    """The exchanges (low, high) of an odd-even merge sort of `size` items that bear on the places wanted."""
    padded = 1 << max(size - 1, 0).bit_length()
    # Items beyond `size` would be +infinity and never move, so their exchanges drop out.
    exchanges = [(i, j) for i, j in _merge_sort(0, padded) if j < size]
    needed, bearing = set(wanted), []
    for pair in reversed(exchanges):
        if needed & set(pair):
            needed |= set(pair)
            bearing.append(pair)
    return tuple(reversed(bearing))


def sorted_at(values: list[jax.Array], wanted: Collection[int]) -> list[jax.Array]:
    """The values elementwise sorted; right at the places wanted alone."""
    values = list(values)
    for low, high in selection_network(len(values), frozenset(wanted)):
        a, b = values[low], values[high]
        values[low], values[high] = jax.lax.min(a, b), jax.lax.max(a, b)
    return values


def _medians(x_ref: Any, out_ref: Any, *, window: int, along: int, across: int, axis: int) -> None:
    """One program: `_A_THREAD` neighbours along the axis for each thread."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clip = pl.program_id(0)
    thread = pl.program_id(1) * _THREADS + jnp.arange(_THREADS, dtype=jnp.int32)
    groups = -(-along // _A_THREAD)
    # Neighbouring threads have neighbouring addresses, or the next but three along the last axis.
    group, other = (thread // across, thread % across) if axis == 1 else (thread % groups, thread // groups)
    step, offset = (across, other) if axis == 1 else (1, other * along)
    first, inside = group * _A_THREAD, thread < groups * across
    values = [
        gpu.load(x_ref.at[clip, offset + _mirrored(first + i, along) * step], mask=inside, other=0.0)
        for i in range(-(window // 2), window // 2 + _A_THREAD)
    ]
    for i, median in enumerate(_neighbours(values, window)):
        place = first + i
        gpu.store(out_ref.at[clip, offset + place * step], median, mask=inside & (place < along))


def _mirrored(place: jax.Array, size: int) -> jax.Array:
    """The place within the axis that one beyond its ends mirrors, again and again if need be."""
    turned = (place + 2 * size * MOST) % (2 * size)
    return jnp.where(turned < size, turned, 2 * size - 1 - turned)


def _neighbours(values: list[jax.Array], window: int) -> list[jax.Array]:
    """The medians of all windows of the values: the middle one of what they share and what each adds.

    With c what they share and e what one adds, sorted, a place k of both together holds the least of
    max(c[k - i], e[i - 1]) over how many i of the k + 1 first ones come from e.
    """
    count, middle = len(values) - window + 1, window // 2
    extras, shared = count - 1, window - count + 1
    places = [middle - i for i in range(count) if 0 <= middle - i < shared]
    common = sorted_at(values[extras : extras + shared], places)
    medians = []
    for i in range(count):
        added = [*values[i:extras], *values[extras + shared : extras + shared + i]]
        added = sorted_at(added, range(extras))
        largest = []
        for of_added in range(count):
            place = middle - of_added
            if place < shared and place >= -1:
                both = [common[place]] if place >= 0 else []
                both += [added[of_added - 1]] if of_added else []
                largest.append(functools.reduce(jax.lax.max, both))
        medians.append(functools.reduce(jax.lax.min, largest))
    return medians


def _merge_sort(first: int, size: int) -> list[tuple[int, int]]:
    if size < 2:
        return []
    half = size // 2
    return [*_merge_sort(first, half), *_merge_sort(first + half, half), *_merge(first, size, 1)]


def _merge(first: int, size: int, step: int) -> list[tuple[int, int]]:
    """Exchanges that merge the two interleaved sorted halves first, first + step, ..."""
    double = 2 * step
    if double >= size:
        return [(first, first + step)]
    inner = [*_merge(first, size, double), *_merge(first + step, size, double)]
    return inner + [(i, i + step) for i in range(first + step, first + size - step, double)]
