"""How long scoring takes on two CPU cores, by the quickstart's rates, to weigh padding against compiling."""

from actjax import parallel
from actjax.types import Metric

# What is padded shares a program with others where that takes less than this; compiling takes seconds.
_PADDING_S = 0.4
# An accelerator scores some so many times as fast, and compiles no faster: Pearson's r of 4,096 neurons, 256
# rows and 20,000 observations takes 260 ms on two cores and 0.9 ms on an H200.
_ACCELERATOR = 100
# Prepared values a second, and for each cost of a metric pairs x observations a second (of "quadratic"
# metrics and of those of frame geometry pairs x squared observations or frames).
PREPARED_A_SECOND = 1e8
PAIRED_A_SECOND = {"product": 1e10, "steps": 1e8, "quadratic": 8e9}
# Of frame geometry: bands x squared frames a second.
FRAMES_A_SECOND = 5e9


def padding_seconds() -> float:
    """How long padding may take, by these rates, for comparisons to share a program on these devices."""
    return _PADDING_S if parallel.on_cpu() else _PADDING_S * _ACCELERATOR


def seconds(metric: Metric, n: int, k: int, frames: int, bands: tuple[int, int] = (1, 1)) -> float:
    """Estimates what a metric takes for n neurons and k rows (images: features) that are prepared together.

    Args:
      metric: which.
      n, k: how many.
      frames: of both sides; of vectors their observations.
      bands: rows of the neurons' images and of the features'.
    """
    if metric.observes == "image" and metric.compares == "frames":
        observations = frames**2
        prepared = (n * bands[0] + k * bands[1]) * observations / FRAMES_A_SECOND
    else:
        observations = frames * bands[0]
        prepared = (n + k) * observations / PREPARED_A_SECOND
    power = 2 if metric.cost == "quadratic" else 1
    return prepared + n * k * observations**power / PAIRED_A_SECOND[metric.cost]
