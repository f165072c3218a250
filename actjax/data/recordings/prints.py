"""Takes prints of a recording's samples, by which another that holds the same stretch of sound is known.

A print is a hash of WINDOW successive samples. Which windows are taken depends on their first samples alone:
cuts of one recording have the same prints where they overlap, wherever each begins. Worker processes import
this, so it imports no TFDS.
"""

import hashlib

import numpy as np

WINDOW = 1024
ONE_IN = 1024  # windows
# Of a recording so many are held; of more, those of the smallest hashes.
MOST = 2**17
# Windows of fewer values, of 64 that are looked at, are silence, a square wave, a constant: recordings have
# them that share nothing.
LEAST_VALUES, LOOKED_AT = 16, slice(None, None, WINDOW // 64)
SPAN = 2**15  # samples that are looked at together
# Odd numbers: what a window's first samples are multiplied by, and two that mix their sum.
_FACTORS, _MIXERS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F), (0x7FEB352D, 0x846CA68B)


class Prints:
    """The prints of a recording that comes block by block.

    Attributes:
      rate_hz: of the recording.
      samples: how many came.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz, self.samples = rate_hz, 0
        self._before, self._done = np.zeros(0, np.int16), 0
        self._below = np.uint64(2**64 - 1)
        self._hashes, self._places = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def add(self, wave: np.ndarray) -> None:
        """Takes the next samples, [n] float32 of full scale 1; 16 bits of each count."""
        samples = np.clip(np.rint(wave * np.float32(2**15)), -(2**15), 2**15 - 1).astype(np.int16)
        self.samples += len(samples)
        for start in range(0, len(samples), SPAN):
            self._add(np.concatenate([self._before, samples[start : start + SPAN]]))

    def of_clips(self, clips: int, each: int) -> np.ndarray:
        """[clips, 1 + each, 2] uint64: the recording's samples and rate, then hashes and places; 0 for none.

        A place is where in the recording the window begins. Windows that stand in it more than once, as those
        of a loop do, are left out; of too many those of the smallest hashes stay.
        """
        hashes, first, count = np.unique(self._hashes, return_index=True, return_counts=True)
        once = np.flatnonzero(count == 1)[: clips * each]
        filled = np.zeros((clips * each, 2), np.uint64)
        filled[: len(once), 0], filled[: len(once), 1] = hashes[once], self._places[first[once]]
        table = np.zeros((clips, 1 + each, 2), np.uint64)
        table[:, 0] = self.samples, self.rate_hz
        table[:, 1:] = filled.reshape(clips, each, 2)
        return table

    def _add(self, samples: np.ndarray) -> None:
        count = len(samples) - WINDOW + 1
        if count > 0:
            self._keep(samples, np.flatnonzero(_chosen(samples)[:count]))
            self._done += count
        self._before = samples[max(count, 0) :]

    def _keep(self, samples: np.ndarray, places: np.ndarray) -> None:
        windows = [samples[i : i + WINDOW] for i in places]
        told = [i for i, one in enumerate(windows) if len(set(one[LOOKED_AT].tolist())) >= LEAST_VALUES]
        hashes = np.fromiter((_hash(windows[i]) for i in told), np.uint64, len(told))
        few = hashes < self._below
        self._hashes = np.concatenate([self._hashes, hashes[few]])
        self._places = np.concatenate([self._places, places[told][few] + self._done])
        if len(self._hashes) > 2 * MOST:
            # By their hashes, so that what two recordings share stays in both.
            self._below = np.partition(self._hashes, MOST)[MOST]
            stay = self._hashes < self._below
            self._hashes, self._places = self._hashes[stay], self._places[stay]


def _chosen(samples: np.ndarray) -> np.ndarray:
    """[n - 3] bool: one window in ONE_IN, by its first four samples."""
    values = samples.astype(np.int32).view(np.uint32) + np.uint32(2**15 + 1)
    size = len(values) - len(_FACTORS) + 1
    mixed = np.zeros(size, np.uint32)
    for i, factor in enumerate(_FACTORS):
        mixed += values[i : i + size] * np.uint32(factor)
    for shift, mixer in zip((16, 15), _MIXERS, strict=True):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(mixer)
    return mixed < np.uint32(2**32 // ONE_IN)


def _hash(window: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(window.tobytes(), digest_size=8).digest(), "little")
