"""Refuses batches that do not fit into memory, by shapes alone, before anything is allocated."""

import jax
import numpy as np

from actjax import capacity, failures, parallel
from actjax.network import make_module
from actjax.setup import Setup
from actjax.train.memory import StepBytes, step_bytes

# XLA needs at least this share of what shapes alone say (train/memory.py): nothing that fits is refused.
LEAST_SHARE = 0.5
# Of two float64 edges, their overlap and what follows from it, for each pair of frames that meet in a grid.
ALIGNMENT_BYTES = 40


def check_training(setup: Setup, batch_size: int) -> None:
    """Refuses a network that cannot take the front end's image, and batches that no device can hold.

    Raises:
      ValueError: one line, with the batch size that would fit.
    """
    # The number of classes is the data's; it changes the last layer alone.
    module = make_module(setup.model, num_classes=2)
    try:
        needed = step_bytes(module, setup.frontend, setup.clip_samples)
    except Exception as error:
        # Flax and JAX raise anything over shapes that do not fit; here they can only be the config's.
        bands, frames = setup.image_shape_ft
        raise ValueError(
            f"model.name = {setup.model.name!r} cannot take an image of {bands} bands x {frames} frames: "
            f"{failures.said(error)[:300]}"
        ) from error
    _refuse("train.batch_size", batch_size, needed)


def check_scoring(setup: Setup) -> None:
    """Refuses batches whose clips and features alone no device can hold, and clips too long to align.

    Raises:
      ValueError: one line, with what would fit.
    """
    samples = setup.clip_samples
    wave = jax.ShapeDtypeStruct((samples,), np.float32)
    shapes = [setup.analysis_shape_ft]
    on_devices = [feature for feature in setup.computed_features if not feature.host]
    shapes += [jax.eval_shape(feature.fn, wave)[0].shape for feature in on_devices]
    cells = sum(int(np.prod(shape, dtype=object)) for shape in shapes)
    _refuse("score.batch_size", setup.scored.batch_size, StepBytes(0, 4 * (samples + cells)))
    frames = max(shape[1] for shape in shapes)
    bound = setup.scored.memory_bytes
    if frames**2 * ALIGNMENT_BYTES > bound:
        raise ValueError(
            f"data.clip_seconds = {samples / setup.frontend.sample_rate_hz:g} makes up to {frames:,} frames, "
            f"and their alignment {frames**2 * ALIGNMENT_BYTES / 2**30:.2g} GiB, more than "
            f"score.memory_gib = {bound / 2**30:g}: at most "
            f"{int((bound / ALIGNMENT_BYTES) ** 0.5):,} frames fit; take shorter clips or longer hops"
        )


def _refuse(option: str, batch_size: int, needed: StepBytes) -> None:
    """Raises ValueError where a device, or the host that reads ahead, cannot hold its share of a batch."""
    devices, bound = parallel.device_count(), capacity.device_bytes()
    total = needed.fixed + -(-batch_size // devices) * needed.per_clip
    if bound is None or LEAST_SHARE * total <= bound:
        return
    fitting = max(int((bound - needed.fixed) // needed.per_clip), 0) * devices
    hint = (
        f"at most {fitting} would fit"
        if fitting
        else "no batch fits: take shorter clips or a smaller network"
    )
    raise ValueError(
        f"{option} = {batch_size} needs about {total / 2**30:,.3g} GiB on a device that has "
        f"{bound / 2**30:.3g} GiB: {hint}"
    )
