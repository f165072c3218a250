"""Which clips each batch holds: a function of the step alone, for all who read batches."""

from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """The clips of a batch, by their place in a source.

    Attributes:
      index: [b] int32 into the source; 0 where mask is False.
      mask: [b] bool, False for rows that fill up the last batch.
    """

    index: np.ndarray
    mask: np.ndarray


class Plan:
    """Rows by step, with random access; `batches` in data/loader.py says how they follow each other."""

    def __init__(
        self,
        clips: int,
        batch_size: int,
        *,
        seed: int | None = None,
        epochs: int | None = 1,
        process_index: int = 0,
        process_count: int = 1,
    ) -> None:
        """Of a source of `clips` clips; the others as `batches` takes them.

        Raises:
          ValueError: no clips, or a batch size that process_count does not divide.
        """
        if clips == 0:
            raise ValueError("the source holds no clips; expected at least one")
        if batch_size < 1 or batch_size % process_count:
            raise ValueError(
                f"batch_size must be a multiple of the {process_count} processes, got {batch_size}"
            )
        self.clips, self.batch_size, self.seed, self.epochs = clips, batch_size, seed, epochs
        self.share = batch_size // process_count
        self.offset = self.share * process_index
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return (
            np.iinfo(np.int32).max if self.epochs is None else steps(self.clips, self.batch_size, self.epochs)
        )

    def __getitem__(self, step: int) -> Rows:
        start = int(step) * self.batch_size + self.offset
        places = np.arange(start, start + self.share)
        mask = np.ones(self.share, bool) if self.epochs is None else places < self.clips * self.epochs
        index = np.zeros(self.share, np.int32)
        epochs, within = np.divmod(places[mask], self.clips)
        for epoch in np.unique(epochs).tolist():
            index[: len(epochs)][epochs == epoch] = self._order(epoch)[within[epochs == epoch]]
        return Rows(index, mask)

    def _order(self, epoch: int) -> np.ndarray:
        if self.seed is None:
            return np.arange(self.clips)
        orders = self._orders
        if epoch not in orders:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.clips)
            # Two threads may stand on two sides of an epoch's end: keep its neighbours only.
            self._orders = {**{e: o for e, o in orders.items() if abs(e - epoch) <= 1}, epoch: order}
            return order
        return orders[epoch]


def steps(clips: int, batch_size: int, epochs: int = 1) -> int:
    """Number of batches that hold `clips` clips `epochs` times."""
    return -(-clips * epochs // batch_size)
