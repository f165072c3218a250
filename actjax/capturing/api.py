"""Captures the activations of any network, JAX's or PyTorch's."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.capturing.captured import Captured, check_times, checked_ids
from actjax.capturing.inputs import Inputs
from actjax.capturing.opened import Opened
from actjax.external.folder import narrowed, new_folder
from actjax.types import Frontend

DTYPES = ("float32", "float16")


def capture(
    network: Any,
    inputs: Any,
    variables: Any = None,
    *,
    layers: str = ".*",
    sample_rate_hz: float | None = None,
    frontend: Frontend | None = None,
    prepare: Callable[[np.ndarray], Any] | None = None,
    clip_ids: Sequence[str] | None = None,
    folder: str | Path | None = None,
    batch_size: int = 16,
    dtype: str = "float32",
) -> Captured:
    """Runs a network in evaluation mode and returns its layers with the place of every frame.

    A network is a flax linen module with its variables, an nnx module, a function (params, wave or image) ->
    {layer: output} with its params, or a PyTorch module, which takes waves. Layers are the outputs of all
    submodules, by path, and what the network returns or sows by name. Hop, first frame and field of each
    layer are measured on the network itself: by gradients in JAX, by what a change of the wave changes in
    PyTorch.

    Args:
      network: see above; neither its weights nor its mode of training are changed.
      inputs: waves [clips, samples] or images [clips, bands, frames], or batches of them: arrays or what
        `actjax.experiment.open_clips` gives.
      variables: of a linen module; the params of a function.
      layers: a regular expression that the whole name of a layer matches.
      sample_rate_hz: of waves.
      frontend: makes images of waves for a network that takes images; beside images it says what made them.
      prepare: for PyTorch, what turns waves [b, samples] into the module's input: a tensor, or a dict of
        keyword arguments. By default the waves as they are, or what the module's Hugging Face config wants.
      clip_ids: of the clips, in order; needed where clips come in batches into a folder.
      folder: where the activations go, batch by batch, for `--config.score.activations=FOLDER`; in memory
        where None.
      batch_size: clips at a time, where `inputs` is an array.
      dtype: of what is kept, float32 or float16.

    Returns:
      A mapping from layer to activations: maps [clips, freq, time, channels], embeddings [clips, units].

    Raises:
      ValueError: what is no network, an input that it does not take, no layer of that name; one line.

    Example:
      >>> import jax.numpy as jnp, numpy as np, actjax
      >>> def network(params, wave):  # one rectified filter of 4 samples, every 2
      ...     frames = jnp.stack([wave[:, i : i + 7 : 2] for i in range(4)], axis=-1)
      ...     return {"rectified": jnp.maximum(frames @ params, 0)}
      >>> waves = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
      >>> captured = actjax.capture(network, waves, np.ones((4, 1), np.float32), sample_rate_hz=10)
      >>> captured["rectified"].shape, captured.times["rectified"].hop_s
      ((3, 1, 4, 1), 0.2)
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    clips = Inputs(inputs, batch_size)
    opened = _open(network, clips, variables, layers, sample_rate_hz, frontend, prepare)
    if folder is None:
        return _in_memory(opened, clips, clip_ids, dtype)
    return _into_folder(opened, clips, clip_ids, Path(folder).expanduser(), dtype)


def _open(
    network: Any,
    clips: Inputs,
    variables: Any,
    layers: str,
    sample_rate_hz: float | None,
    frontend: Frontend | None,
    prepare: Callable[[np.ndarray], Any] | None,
) -> Opened:
    # A module of PyTorch's can only come from who has imported it.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(network, torch.nn.Module):
        from actjax.capturing.torch_modules import open_torch

        _refuse("a PyTorch module", variables=variables, frontend=frontend)
        return open_torch(network, clips, layers=layers, sample_rate_hz=sample_rate_hz, prepare=prepare)
    from actjax.capturing.jax_networks import open_jax

    _refuse("a network of JAX", prepare=prepare)
    return open_jax(
        network, clips, variables, layers=layers, sample_rate_hz=sample_rate_hz, frontend=frontend
    )


def _refuse(network: str, **options: Any) -> None:
    """Raises ValueError where an option is given that such a network has no use for."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{network} takes no {name}=: leave it out")


def _in_memory(opened: Opened, clips: Inputs, clip_ids: Sequence[str] | None, dtype: str) -> Captured:
    batches: dict[str, list[np.ndarray]] = {layer.name: [] for layer in opened.layers}
    for batch in clips:
        for name, values in opened.run(batch).items():
            batches[name].append(narrowed(name, values, np.dtype(dtype)))
    arrays = {name: np.concatenate(values) for name, values in batches.items()}
    ids = checked_ids(clip_ids, len(next(iter(arrays.values()))))
    return Captured(arrays, opened.layers, _times(opened), ids)


def _into_folder(
    opened: Opened, clips: Inputs, clip_ids: Sequence[str] | None, folder: Path, dtype: str
) -> Captured:
    times = _times(opened)
    check_times(times)
    if clip_ids is None and clips.clips is None:
        raise ValueError("clips that come in batches go into a folder with their clip_ids: name them")
    count = clips.clips if clips.clips is not None else len(clip_ids or ())
    ids = checked_ids(clip_ids, count)
    with new_folder(folder, count, dtype) as writer:
        for batch in clips:
            writer.add(opened.run(batch))
        writer.finish(ids, times)
    arrays = {layer.name: np.load(folder / f"{layer.name}.npy", mmap_mode="r") for layer in opened.layers}
    return Captured(arrays, opened.layers, times, ids)


def _times(opened: Opened) -> dict[str, Any]:
    clock = opened.clock
    return {} if clock is None else {layer.name: clock.times(layer) for layer in opened.layers}
