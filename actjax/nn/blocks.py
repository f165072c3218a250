"""What the networks are built of: windows that also know their geometry, and batch normalisation."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax import parallel
from actjax.layer_axis import LayerAxis
from actjax.nn.normalisation import normalised
from actjax.types import Layer

# As flax takes it; pairs are (before, after) of frequency and of time.
Padding = str | tuple[tuple[int, int], tuple[int, int]]


class Window(NamedTuple):
    """A convolution or pooling window, (frequency, time); padding is "SAME", "VALID" or pairs."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "VALID"

    def over(self, grid: "Grid") -> "Grid":
        """The grid of cells after this window."""
        pads = (self.padding, self.padding) if isinstance(self.padding, str) else self.padding
        axes = zip(grid, self.kernel, self.stride, pads, strict=True)
        return Grid(*(axis.window(kernel, stride, pad) for axis, kernel, stride, pad in axes))

    def conv(self, filters: int, *, name: str, **kwargs: Any) -> nn.Conv:
        """The convolution with this window."""
        return nn.Conv(filters, self.kernel, self.stride, self.padding, name=name, **kwargs)

    @property
    def side_by_side(self) -> bool:
        """Whether windows neither overlap nor leave gaps nor see padding."""
        return self.kernel == self.stride and self.padding == "VALID"

    def max_pool(self, x_bftc: jax.Array) -> jax.Array:
        """The largest value in each window."""
        if not self.side_by_side:
            # flax takes pairs, too, but does not say so.
            return nn.max_pool(x_bftc, self.kernel, self.stride, cast(str, self.padding))
        # Windows side by side: XLA's reduce-window has a backward pass on the CPU that costs a
        # quarter of the whole training step, a reshape has not.
        b, f, t, c = x_bftc.shape
        (kf, kt), (nf, nt) = self.kernel, (f // self.kernel[0], t // self.kernel[1])
        return x_bftc[:, : nf * kf, : nt * kt].reshape(b, nf, kf, nt, kt, c).max((2, 4))


class Grid(NamedTuple):
    """Where the cells of a map lie along frequency and time."""

    frequency: LayerAxis
    time: LayerAxis

    @classmethod
    def of_input(cls, shape_ft: Sequence[int]) -> "Grid":
        """The network's input itself."""
        return cls(LayerAxis.of_input(shape_ft[0]), LayerAxis.of_input(shape_ft[1]))

    @classmethod
    def of_layer(cls, layer: Layer) -> "Grid":
        """The grid of a layer of maps."""
        if layer.frequency is None or layer.time is None:
            raise ValueError(f"expected a layer of maps, got {layer.name}")
        return cls(layer.frequency, layer.time)

    def check(self, where: str) -> "Grid":
        """This grid; ValueError if it has no cell left, which names `where` that happened."""
        for axis, unit in zip(self, ("bands", "frames"), strict=True):
            if axis.size < 1:
                raise ValueError(
                    f"{where}: expected an input that leaves a cell, of which each sees {axis.field} "
                    f"{unit}, got {axis.input_size} {unit}; take longer clips, more bands or another model"
                )
        return self

    def layer(self, name: str, neurons: int, depth: float) -> Layer:
        """The layer of `neurons` channels on this grid."""
        return Layer(name=name, neurons=neurons, depth=depth, frequency=self.frequency, time=self.time)


class BatchNorm(nn.Module):
    """Normalises each channel by its moments over the real clips of all devices.

    y = (x - mean) / sqrt(var + epsilon) * scale + bias, with centred variances; clips with mask
    False count nowhere, however they fall on the devices, so that any number of devices gives the
    same result. Ioffe and Szegedy, "Batch Normalization", ICML 2015.

    Attributes:
      axis_name: of the device axis to synchronise over, None alone.
      momentum: of the running moments.
      epsilon: added to the variance.
      affine: has scale and bias.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-3
    affine: bool = True

    def __call__(self, x: jax.Array, *, train: bool, mask_b: jax.Array | None = None) -> jax.Array:
        """[b, ..., c] -> [b, ..., c] of the same type; mask_b [b] bool marks the real clips.

        Moments, scale and bias are float32 where x is bfloat16.
        """
        return self._both(x, (1, 1), train, mask_b)[0]

    def rectified(
        self, x_bftc: jax.Array, pool: Window | None, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """The ReLU of the normalised maps, and its largest value in each window of `pool`.

        Without a pool both are the same. On a CPU, training then reads the maps for the moments alone.
        """
        if pool is not None and pool.side_by_side and train and _by_hand_on_cpu(x_bftc):
            y, largest = self._both(x_bftc, pool.kernel, train, mask_b)
            return nn.relu(y), nn.relu(largest)
        y = nn.relu(self(x_bftc, train=train, mask_b=mask_b))
        return y, y if pool is None else pool.max_pool(y)

    @nn.compact
    def _both(
        self, x: jax.Array, window: tuple[int, int], train: bool, mask_b: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Normalised x and, in training on a CPU, its largest value in each window."""
        channels, narrow = (x.shape[-1],), x.dtype == jnp.bfloat16
        dtype = jnp.float32 if narrow else x.dtype
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, dtype)
        var = self.variable("batch_stats", "var", jnp.ones, channels, dtype)
        scale, bias = jnp.ones(channels, dtype), jnp.zeros(channels, dtype)
        if self.affine:
            scale = self.param("scale", nn.initializers.ones, channels, dtype)
            bias = self.param("bias", nn.initializers.zeros, channels, dtype)
        mean_c, var_c, y, largest = mean.value, var.value, None, None
        if train and (narrow or _by_hand_on_cpu(x)):
            weight_b = jnp.ones(x.shape[0], dtype) if mask_b is None else mask_b.astype(dtype)
            arrays = x, weight_b, mean.value if narrow else None, scale, bias
            y, mean_c, var_c = normalised(*arrays, epsilon=self.epsilon, axis_name=self.axis_name)
            if window != (1, 1):  # y itself is then computed only where somebody looks at it
                largest, mean_c, var_c = normalised(
                    *arrays, epsilon=self.epsilon, axis_name=self.axis_name, window=window
                )
        elif train:
            mean_c, var_c = self._moments(x, mask_b)
        if train and not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * mean_c
            var.value = self.momentum * var.value + (1 - self.momentum) * var_c
        if y is not None:
            return y, y if largest is None else largest
        gain_c = jax.lax.rsqrt(var_c + self.epsilon) * scale
        y = (x.astype(dtype) * _last(gain_c, x) + _last(bias - mean_c * gain_c, x)).astype(x.dtype)
        return y, y

    def _moments(self, x: jax.Array, mask_b: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """Mean and centred variance of each channel over real clips, cells and devices."""
        axes = tuple(range(x.ndim - 1))
        weight = jnp.ones(x.shape[0], x.dtype) if mask_b is None else mask_b.astype(x.dtype)
        cells = x.size // (x.shape[0] * x.shape[-1])
        count = self._total(weight.sum()) * cells
        weight = weight.reshape(-1, *(1,) * (x.ndim - 1))
        mean_c = self._total((x * weight).sum(axes)) / count
        deviation = x - _last(mean_c, x)
        return mean_c, self._total((deviation * deviation * weight).sum(axes)) / count

    def _total(self, of_device: jax.Array) -> jax.Array:
        return of_device if self.axis_name is None else jax.lax.psum(of_device, self.axis_name)


def _by_hand_on_cpu(x: jax.Array) -> bool:
    """Whether float32 is normalised with derivatives by hand, as XLA on a CPU is far slower with its own."""
    return x.dtype == jnp.float32 and parallel.on_cpu()


def _last(vector_c: jax.Array, like: jax.Array) -> jax.Array:
    """[c] -> [1, ..., c], broadcast against `like` explicitly."""
    return vector_c.reshape(*(1,) * (like.ndim - 1), -1)
