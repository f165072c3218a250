"""The clips of one split, read one by one, and what is known of them without reading audio."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Names the clips of all splits together.
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Source:
    """Random access to the clips of one split, and what is known of them without reading audio.

    Attributes:
      reader: anything with `len` and `[i] -> {"audio": [samples] int16 or float32, ...}`.
      clip_ids, recording_ids: [n] lists of str.
      labels: [n] int32, or [n, classes] uint8 (multi-hot).
      class_names: of the labels.
      sample_rate_hz, clip_samples: of every clip; the loader cuts or pads to clip_samples.
      fingerprint: a hash of all clips' content and order.
      lengths: [n] int32 samples of signal in each clip, what follows being padding; None where all
        clips are full.
    """

    reader: Any
    clip_ids: list[str]
    recording_ids: list[str]
    labels: np.ndarray
    class_names: tuple[str, ...]
    sample_rate_hz: int
    clip_samples: int
    fingerprint: str
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The whole example of clip `index`, strings as str."""
        example = self.reader[index]
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in example.items()}

    @property
    def multi_label(self) -> bool:
        """True where labels are multi-hot."""
        return self.labels.ndim == 2

    def take(self, clips: Sequence[int] | np.ndarray) -> "Source":
        """These clips in this order, under the same fingerprint."""
        places = np.asarray(clips, np.int64)
        return dataclasses.replace(
            self,
            reader=_Taken(self.reader, places),
            clip_ids=[self.clip_ids[i] for i in places],
            recording_ids=[self.recording_ids[i] for i in places],
            labels=self.labels[places],
            lengths=None if self.lengths is None else self.lengths[places],
        )


def joined(sources: Sequence[Source]) -> Source:
    """The clips of several sources of one data set, one source after the other."""
    first = sources[0]
    lengths = [
        np.full(len(one), one.clip_samples, np.int32) if one.lengths is None else one.lengths
        for one in sources
    ]
    digest = hashlib.sha256("".join(one.fingerprint for one in sources).encode()).hexdigest()[:16]
    return dataclasses.replace(
        first,
        reader=_Joined([one.reader for one in sources], [len(one) for one in sources]),
        clip_ids=[name for one in sources for name in one.clip_ids],
        recording_ids=[name for one in sources for name in one.recording_ids],
        labels=np.concatenate([one.labels for one in sources]),
        fingerprint=digest,
        lengths=np.concatenate(lengths),
    )


def shuffled_labels(source: Source, seed: int) -> Source:
    """The same clips, their labels permuted among them: what is left to learn is the clips one by one."""
    order = np.random.default_rng([seed, 10]).permutation(len(source))
    return dataclasses.replace(source, labels=source.labels[order])


def absent_classes(sources: Mapping[str, Source]) -> str:
    """Which classes have no clip in which split: "cello in train; oboe, horn in test"; "" for none."""
    absent = []
    for split, source in sources.items():
        labels = source.labels
        classes = np.arange(len(source.class_names))
        present = np.asarray(labels.any(axis=0) if source.multi_label else np.isin(classes, labels))
        lost = [name for place, name in enumerate(source.class_names) if not present[place]]
        if lost:
            more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
            absent.append(f"{', '.join(lost[:10])}{more} in {split}")
    return "; ".join(absent)


def fill(row_s: np.ndarray, audio_s: np.ndarray) -> int:
    """Copies audio into row_s, cut at the end or padded with silence; returns the samples copied.

    A float32 row gets int16 audio in -1 .. 1.
    """
    audio_s = np.asarray(audio_s)
    count = min(len(audio_s), len(row_s))
    row_s[:count] = audio_s[:count]
    if audio_s.dtype == np.int16 and row_s.dtype == np.float32:
        row_s[:count] /= 32768.0
    return count


class _Joined:
    """Several readers, one after the other."""

    def __init__(self, readers: Sequence[Any], counts: Sequence[int]):
        self.readers, self.starts = readers, np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> Any:
        which = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.readers[which][index - int(self.starts[which])]


class _Taken:
    """Some clips of a reader, in an order of their own."""

    def __init__(self, reader: Any, clips: np.ndarray):
        self.reader, self.clips = reader, clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Any:
        return self.reader[int(self.clips[index])]
