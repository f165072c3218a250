"""A network that is ready to be captured."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from actjax.capturing.captured import Clock
from actjax.types import Layer


class Opened(NamedTuple):
    """A network whose layers are chosen and measured.

    Attributes:
      layers: in the order of computation.
      run: clips -> layer -> [clips, freq, time, channels] or [clips, units].
      clock: of what the layers' geometry counts; None where nobody said it.
    """

    layers: tuple[Layer, ...]
    run: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    clock: Clock | None
