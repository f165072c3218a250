"""The arrays of one Keras layer as those of one of ours.

Every function: (layer, shapes, ...) -> role -> array. `shapes` maps our roles, such as "kernel",
"scale" and "ir/kernel", to the shapes that they must have.
"""

import numpy as np

from actjax.nn.blocks import BatchNorm
from actjax.nn.keras.file import KerasLayer

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


def is_turned(kernel: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a 4-D kernel is stored (out, in, freq, time) and not (freq, time, in, out)."""
    return kernel.shape != shape and kernel.transpose(2, 3, 1, 0).shape == shape


def conv(layer: KerasLayer, shapes: Shapes, flip: bool) -> Arrays:
    """A convolution; a bias that we have not is left to the batch norm that follows."""
    arrays = {"kernel": _oriented(layer.weights["kernel"], shapes["kernel"], flip)}
    if "bias" in shapes:
        arrays["bias"] = layer.weights.get("bias", np.zeros(shapes["bias"]))
    return arrays


def separable(layer: KerasLayer, shapes: Shapes, flip: bool) -> Arrays:
    """A depthwise convolution (freq, time, in, 1), then a pointwise one."""
    f, t, _, channels = shapes["depthwise"]
    depth = _oriented(layer.weights["depthwise_kernel"], (f, t, channels, 1), flip)
    arrays = {"depthwise": depth.transpose(0, 1, 3, 2)}
    arrays["pointwise"] = _oriented(layer.weights["pointwise_kernel"], shapes["pointwise"], False)
    return arrays


def norm(layer: KerasLayer, shapes: Shapes, dropped_bias: np.ndarray | None) -> Arrays:
    """Batch norm; dropped_bias is that of the convolution before, where ours has none."""
    mean, var = layer.weights["mean"], layer.weights["var"]
    if dropped_bias is not None and dropped_bias.shape == mean.shape:
        mean = mean - dropped_bias
    epsilon = layer.config.get("epsilon", BatchNorm.epsilon)
    return {
        "scale": layer.weights.get("gamma", np.ones_like(mean)),
        "bias": layer.weights.get("beta", np.zeros_like(mean)),
        "mean": mean,
        "var": var + (epsilon - BatchNorm.epsilon),
    }


def dense(
    layer: KerasLayer,
    shapes: Shapes,
    maps_ftc: list[tuple[int, int, int]],
    theirs_first: bool,
    ours_first: bool,
) -> Arrays:
    """A dense layer on flattened and joined maps of shapes maps_ftc ([]: on a plain vector).

    theirs_first, ours_first: whether channels come before freq and time in the flattened map.
    """
    kernel, bias = layer.weights["kernel"], layer.weights.get("bias", np.zeros(shapes["bias"]))
    if theirs_first != ours_first and kernel.shape == shapes["kernel"]:
        blocks, start = [], 0
        for f, t, c in maps_ftc:
            rows = kernel[start : start + f * t * c]
            rows = (
                rows.reshape(c, f, t, -1).transpose(1, 2, 0, 3) if theirs_first else rows.reshape(f, t, c, -1)
            )
            blocks.append((rows.transpose(2, 0, 1, 3) if ours_first else rows).reshape(f * t * c, -1))
            start += f * t * c
        kernel = np.concatenate([*blocks, kernel[start:]])
    return {"kernel": kernel, "bias": bias}


def gru(layer: KerasLayer, shapes: Shapes) -> Arrays:
    """A GRU whose reset gate acts after the recurrent product, gates in Keras's order z, r, h."""
    bias = layer.weights.get("bias")
    if bias is None or bias.ndim != 2:
        raise ValueError(
            f"{layer.name}: expected a GRU with reset_after=True (bias of shape (2, 3 units)), got "
            f"{None if bias is None else bias.shape}; the other kind computes something else"
        )
    (z, r, h), (uz, ur, uh) = (np.split(layer.weights[n], 3, 1) for n in ("kernel", "recurrent_kernel"))
    (bz, br, bh), (cz, cr, ch) = (np.split(row, 3) for row in bias)
    return {
        "iz/kernel": z,
        "ir/kernel": r,
        "in/kernel": h,
        "hz/kernel": uz,
        "hr/kernel": ur,
        "hn/kernel": uh,
        "iz/bias": bz + cz,
        "ir/bias": br + cr,
        "in/bias": bh,
        "hn/bias": ch,
    }


def _oriented(kernel: np.ndarray, shape: tuple[int, ...], flip: bool) -> np.ndarray:
    """(freq, time, in, out), for a cross-correlation."""
    kernel = kernel.transpose(2, 3, 1, 0) if is_turned(kernel, shape) else kernel
    return kernel[::-1, ::-1] if flip else kernel
