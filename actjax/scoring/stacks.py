"""Lays comparisons out in stacks: those of one shape, padded where that costs little, are one program."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from actjax.scoring import rates
from actjax.scoring.tasks import Comparison, frames_of, rows_of
from actjax.similarity.stream import PairStream
from actjax.types import Metric


class Sizes(NamedTuple):
    """The shape of both sides of a comparison on one clip.

    Attributes:
      n: neurons.
      k: feature rows; of images features.
      frames: of both sides.
      bands: rows of the neurons' images and of the features'; (1, 1) of vectors.
      held: nuisances, whose rows follow the features'.
    """

    n: int
    k: int
    frames: int
    bands: tuple[int, int]
    held: int


class Place(NamedTuple):
    """A member of a stack.

    Attributes:
      family, comparison: where it stands in the plan.
      networks: of the family.
      n, k: its own neurons and rows.
    """

    family: int
    comparison: int
    networks: int
    n: int
    k: int


@dataclasses.dataclass(frozen=True)
class Stack:
    """Comparisons that one program scores, each padded to the sizes of all.

    Attributes:
      stream: of `sizes.n` neurons and `sizes.k` rows.
      sizes: the largest of its members'.
      members: which comparisons; a state holds the networks of one after those of another.
    """

    stream: PairStream
    sizes: Sizes
    members: tuple[Place, ...]

    @property
    def items(self) -> int:
        """Counts networks x comparisons."""
        return sum(member.networks for member in self.members)


def lay_out(
    families: Sequence[tuple[int, Sequence[Comparison]]], *, clips: int, batch_size: int
) -> tuple[Stack, ...]:
    """Groups the streaming comparisons of all families.

    What differs in its numbers of neurons, rows or frames alone is padded to the largest of a group, as long
    as that costs less than compiling a program: a few clips make few programs, many clips exact ones.

    Args:
      families: (networks, comparisons) of each.
      clips: how many there are.
      batch_size: clips at a time; what a stack holds of them stays within its stream's bound.
    """
    groups: dict[Any, list[_Group]] = {}
    for place, comparison in sorted(_streaming(families), key=lambda one: -_seconds(*_of(one[1]))):
        _, sizes = _of(comparison)
        alike = groups.setdefault(_key(comparison), [])
        fitting = [group for group in alike if group.takes(place, sizes, clips, batch_size)]
        if fitting:
            min(fitting, key=lambda group: group.padding(place, sizes)).add(place, sizes)
        else:
            alike.append(_Group(_stream(comparison), place, sizes))
    return tuple(group.stack() for alike in groups.values() for group in alike)


class _Group:
    """A stack that may still grow."""

    def __init__(self, stream: PairStream, place: Place, sizes: Sizes) -> None:
        self.stream, self.sizes, self.members = stream, sizes, [place]
        self.seconds = place.networks * _seconds(stream.metrics, sizes)

    def takes(self, place: Place, sizes: Sizes, clips: int, batch_size: int) -> bool:
        wide = _widest(self.sizes, sizes)
        networks = sum(member.networks for member in self.members) + place.networks
        held = 4 * batch_size * networks * wide.n * wide.frames * wide.bands[0]
        return (
            clips * self.padding(place, sizes) <= rates.padding_seconds() and held <= self.stream.tile_bytes
        )

    def padding(self, place: Place, sizes: Sizes) -> float:
        """The seconds a clip that padding takes, of all members."""
        each = _seconds(self.stream.metrics, _widest(self.sizes, sizes))
        networks = sum(member.networks for member in self.members) + place.networks
        return networks * each - self.seconds - place.networks * _seconds(self.stream.metrics, sizes)

    def add(self, place: Place, sizes: Sizes) -> None:
        self.sizes = _widest(self.sizes, sizes)
        self.members.append(place)
        self.seconds += place.networks * _seconds(self.stream.metrics, sizes)

    def stack(self) -> Stack:
        stream = dataclasses.replace(self.stream, n=self.sizes.n, k=self.sizes.k)
        return Stack(stream, self.sizes, tuple(sorted(self.members)))


def _streaming(
    families: Sequence[tuple[int, Sequence[Comparison]]],
) -> Iterator[tuple[Place, Comparison]]:
    for f, (networks, comparisons) in enumerate(families):
        for c, comparison in enumerate(comparisons):
            if comparison.stream:
                yield Place(f, c, networks, comparison.stream.n, comparison.stream.k), comparison


def _stream(comparison: Comparison) -> PairStream:
    assert comparison.stream is not None, "of a streaming comparison"
    return comparison.stream


def _of(comparison: Comparison) -> tuple[tuple[Metric, ...], Sizes]:
    """The metrics and sizes of a comparison."""
    stream, bands = _stream(comparison), rows_of(comparison.problem) or (1,)
    held = sum(f.rows for f in comparison.problem.nuisances)
    sizes = Sizes(stream.n, stream.k, frames_of(comparison.problem), (bands[0], bands[-1]), held)
    return stream.metrics, sizes


def _key(comparison: Comparison) -> Any:
    """What must be equal of comparisons that share a program."""
    stream, (_, sizes) = _stream(comparison), _of(comparison)
    whole = any(m.level == "feature" and m.observes == "vector" for m in stream.metrics)
    # Bands of cells are compared one by one, and none of them can be masked; those of frames can be zeros.
    exact = sizes.bands if comparison.problem.cells else None
    features = stream.features if whole else None
    return dataclasses.replace(stream, n=0, k=stream.k if whole else 0, features=features), exact, sizes.held


def _widest(a: Sizes, b: Sizes) -> Sizes:
    bands = max(a.bands[0], b.bands[0]), max(a.bands[1], b.bands[1])
    return Sizes(max(a.n, b.n), max(a.k, b.k), max(a.frames, b.frames), bands, a.held)


def _seconds(metrics: Sequence[Metric], sizes: Sizes) -> float:
    """Estimates what scoring a clip of one network takes."""
    n, k, frames, bands, _ = sizes
    return sum(rates.seconds(metric, n, k, frames, bands) for metric in metrics)
