"""Opens PyTorch modules: hooks on their submodules, and where the frames of each output lie."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from actjax.activations.outputs import chosen_names
from actjax.capturing import hugging_face, impulses
from actjax.capturing.captured import Clock
from actjax.capturing.hooks import Hooked
from actjax.capturing.inputs import Inputs
from actjax.capturing.opened import Opened
from actjax.types import Layer, LayerAxis

# Modules whose channels stand on the last axis, and those where they follow the clips; of all others as in
# the output of that shape before it.
LAST = (torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding)
FIRST = (torch.nn.modules.conv._ConvNd, torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How an output becomes [clips, freq, time, channels], or [clips, units] where nothing is measured.

    Attributes:
      pieces: entries of the output's first axis a clip: 1, or the frames where a network takes each alone.
      swapped: whether the clips stand on the second axis.
      last: whether channels stand on the last axis.
      measured: where its frames lie, of the output with its pieces split; None for an embedding.
    """

    pieces: int
    swapped: bool
    last: bool
    measured: impulses.Measured | None = None

    def by_clip(self, output: np.ndarray) -> np.ndarray:
        """Brings the clips' axis to the front, and splits its pieces off."""
        output = np.moveaxis(output, 1, 0) if self.swapped else output
        if self.pieces == 1:
            return output
        return output.reshape(len(output) // self.pieces, self.pieces, *output.shape[1:])

    def maps(self, output: np.ndarray, samples: int) -> np.ndarray:
        """[clips, freq, time, channels] of the frames centred before the clip's end, or [clips, units]."""
        output = self.by_clip(output)
        if self.measured is None:
            return output
        # (clips, bands, times) come first, then the other axes: channels, and what counts as further bands.
        split = np.moveaxis(self.measured.order.arrange(output, self.measured.axis), self.measured.axis, 1)
        split = np.moveaxis(split, self.measured.axis + 1, 2)
        others = [axis for axis in range(1, output.ndim) if axis != self.measured.axis]
        split = np.moveaxis(split, 3 + others.index(self._channels(output.ndim)), -1)
        clips, times, channels = split.shape[0], split.shape[2], split.shape[-1]
        split = np.moveaxis(split, 2, -2).reshape(clips, -1, times, channels)
        return split[:, :, self.measured.time.centres() < samples]

    def _channels(self, dims: int) -> int:
        """The axis of channels of an output whose pieces are split."""
        time = self.measured.axis if self.measured is not None else 0
        front = 2 if self.pieces > 1 else 1
        usual = dims - 1 if self.last else front
        others = [axis for axis in range(1, dims) if axis != time]
        return usual if usual in others else others[-1]


def open_torch(
    module: torch.nn.Module,
    inputs: Inputs,
    *,
    layers: str,
    sample_rate_hz: float | None,
    prepare: Callable[[np.ndarray], Any] | None,
) -> Opened:
    """Opens a module that takes waves.

    Raises:
      ValueError: images; a module that does not take the waves; no layer matches; a Hugging Face model
        whose input is not known here.
    """
    if not inputs.are_waves:
        raise ValueError(
            f"a PyTorch module is captured on waves [clips, samples], got {list(inputs.shape)} a clip"
        )
    [samples] = inputs.shape
    prepare = prepare or hugging_face.preparation(module, samples, sample_rate_hz) or torch.from_numpy
    hooked = Hooked(module, prepare)
    arrangements = _arrangements(hooked, samples)
    names = tuple(chosen_names(tuple(arrangements), layers))

    def by_clip(waves: np.ndarray) -> dict[str, np.ndarray]:
        outputs = hooked.run(waves, names)
        return {name: arrangements[name].by_clip(outputs[name]) for name in names}

    shapes = {name: x.shape for name, x in by_clip(np.zeros((1, samples), np.float32)).items()}
    measured = impulses.measure(by_clip, samples)
    ready = {
        name: dataclasses.replace(arrangements[name], measured=measured.get(name))
        for name in names
        if name in measured or len(shapes[name]) == 2
    }
    if not ready:
        raise ValueError(f"nothing in {', '.join(names)} follows the wave's time: choose other layers")

    def run(waves: np.ndarray) -> dict[str, np.ndarray]:
        outputs = hooked.run(waves, tuple(ready))
        return {name: one.maps(outputs[name], samples) for name, one in ready.items()}

    depth = {name: (i + 1) / (len(arrangements) + 1) for i, name in enumerate(arrangements)}
    maps = run(np.zeros((1, samples), np.float32))
    placed = tuple(_layer(name, depth[name], ready[name], x.shape) for name, x in maps.items())
    return Opened(placed, run, None if sample_rate_hz is None else Clock.of_wave(sample_rate_hz))


def _arrangements(hooked: Hooked, samples: int) -> dict[str, Arrangement]:
    """How each output holds clips and channels, by running two and three clips."""
    noise = np.random.default_rng(0).normal(0, 0.1, (3, samples)).astype(np.float32)
    two, three = hooked.run(noise[:2]), hooked.run(noise)
    modules = dict(hooked.module.named_modules())
    arrangements: dict[str, Arrangement] = {}
    last_of_shape: dict[tuple[int, ...], bool] = {}
    for name, x in three.items():
        if name not in two or not 2 <= x.ndim <= 5:
            continue
        at = [axis for axis in (0, 1) if x.shape[axis] * 2 == two[name].shape[axis] * 3]
        if not at:
            continue
        module = modules.get(name.partition(":")[0])
        last = isinstance(module, LAST) or (
            not isinstance(module, FIRST) and last_of_shape.get(x.shape, False)
        )
        last_of_shape[x.shape] = last
        arrangements[name] = Arrangement(x.shape[at[0]] // 3, at[0] == 1, last)
    return arrangements


def _layer(name: str, depth: float, one: Arrangement, shape: tuple[int, ...]) -> Layer:
    """The layer whose maps have that shape [clips, freq, time, channels]."""
    if one.measured is None:
        return Layer(name, shape[-1], depth)
    time = dataclasses.replace(one.measured.time, size=shape[2])
    return Layer(name, shape[-1], depth, LayerAxis.of_input(shape[1]), time)
