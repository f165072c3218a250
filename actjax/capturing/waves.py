"""The noise whose changes a network is asked about.

A stretch of it is changed by playing it backwards. Mean, power and spectrum of the wave stay as they are, so
that what normalises over the whole wave changes next to nothing elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]
AT_ONCE = 8
# Loudness of the noise, and how many noises a change is tried on: a rectifier hides some of it.
RMS, REPEATS = 0.1, 2


class Wave:
    """The noise that is changed, and the network that hears it; every run begins with the unchanged wave."""

    def __init__(self, run: Run, samples: int):
        rng = np.random.default_rng(0)
        self.run, self.samples = run, samples
        self._noises = rng.normal(0, RMS, (REPEATS, samples)).astype(np.float32)

    def changes(
        self, starts: Sequence[int], stops: Sequence[int], repeats: int = REPEATS
    ) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Yields (which, output -> [which, ...] squared change) as the samples start .. stop are reversed."""
        for repeat in range(repeats):
            noise = self._noises[repeat]
            for place in range(0, len(starts), AT_ONCE):
                which = slice(place, min(place + AT_ONCE, len(starts)))
                waves = np.repeat(noise[None], which.stop - which.start + 1, axis=0)
                for wave, start, stop in zip(waves[1:], starts[which], stops[which], strict=True):
                    wave[start:stop] = noise[start:stop][::-1]
                outputs = self.run(waves)
                yield which, {name: (x[1:].astype(np.float64) - x[:1]) ** 2 for name, x in outputs.items()}
