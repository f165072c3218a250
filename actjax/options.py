"""What an option may be: rules for numbers, strings and lists, each refusing in one line.

A rule takes the option's name, for the message, and its value, and gives the value back as it is used.
"""

import dataclasses
import math
import numbers
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

LARGEST = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number between bounds.

    Attributes:
      low, high: the bounds, which count.
      above, below: bounds that do not count, or None.
      whole: whole numbers only.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float | None = None
    below: float | None = None
    whole: bool = False

    def __call__(self, name: str, value: Any) -> Any:
        """The number as an int or a float; ValueError if it is none or out of range."""
        number = _number(value, self.whole)
        if number is None or not self._holds(number):
            raise ValueError(f"{name} must be {self}, got {shown(value)}")
        return number

    def _holds(self, number: float) -> bool:
        above = self.above is None or number > self.above
        return above and self.low <= number <= self.high and (self.below is None or number < self.below)

    def __str__(self) -> str:
        what = "a whole number" if self.whole else "a finite number"
        if self.above is None and self.below is None and math.isfinite(self.high - self.low):
            return f"{what} from {_plain(self.low)} to {_plain(self.high)}"
        low = f"at least {_plain(self.low)}" if self.above is None else f"above {self.above:g}"
        high = f"at most {_plain(self.high)}" if self.below is None else f"below {self.below:g}"
        bounds = [text for text in (low, high) if "inf" not in text]
        return f"{what} {' and '.join(bounds)}".strip()


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few strings."""

    known: tuple[str, ...]

    def __call__(self, name: str, value: Any) -> str:
        """The string; ValueError if it is another."""
        if not isinstance(value, str) or value not in self.known:
            raise ValueError(f"{name} knows {', '.join(self.known)}; got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True)
class Names:
    """A comma list of names, each once.

    Attributes:
      known: which there are, or None for any.
      least: how many there must be.
    """

    known: tuple[str, ...] | None = None
    least: int = 0

    def __call__(self, name: str, value: Any) -> str:
        """The list as it came; ValueError for an unknown name, one that stands twice, or too few."""
        listed = comma_list(Text()(name, value))
        if self.known is not None:
            for one in listed:
                Choice(self.known)(name, one)
        refuse_repeats(name, listed, self.least)
        return value


@dataclasses.dataclass(frozen=True)
class Text:
    """A string.

    Attributes:
      some: at least a character.
      plain: of letters, digits, - _ and . alone, as it becomes part of a file's name.
    """

    some: bool = False
    plain: bool = False

    def __call__(self, name: str, value: Any) -> str:
        """The string, of a path too; ValueError if it is none, or not as it must be."""
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(value, str) or "\0" in value or (self.some and not value.strip()):
            raise ValueError(f"{name} must be a string{', not empty' * self.some}, got {shown(value)}")
        if self.plain and not re.fullmatch(r"[\w-][\w.-]*", value):
            raise ValueError(f"{name} must be letters, digits, - _ and . alone, got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True)
class Maybe:
    """What a rule says, or None."""

    rule: Callable[[str, Any], Any]

    def __call__(self, name: str, value: Any) -> Any:
        """None, or the value by the rule."""
        return None if value is None else self.rule(name, value)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression."""

    def __call__(self, name: str, value: Any) -> str:
        """The string; ValueError if it does not compile."""
        try:
            re.compile(Text(some=True)(name, value))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{name} must be a regular expression, got {shown(value)}: {error}") from error
        return value


@dataclasses.dataclass(frozen=True)
class Steps:
    """Training steps: a comma list of whole numbers, or a word that chooses them."""

    words: tuple[str, ...]

    def __call__(self, name: str, value: Any) -> str:
        """The string; ValueError if it is neither, or a step stands twice."""
        listed = comma_list(Text()(name, value))
        if value not in self.words and not all(re.fullmatch(r"[1-9][0-9]{0,9}", one) for one in listed):
            raise ValueError(
                f"{name} knows {', '.join(self.words)}, or steps as in 100,800; got {shown(value)}"
            )
        refuse_repeats(name, listed, least=0)
        return value


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or False."""

    def __call__(self, name: str, value: Any) -> bool:
        """The boolean; ValueError if it is none."""
        if not isinstance(_item(value), bool):
            raise ValueError(f"{name} must be True or False, got {shown(value)}")
        return _item(value)


Rule = Callable[[str, Any], Any]
COUNT = Number(1, LARGEST, whole=True)
SEED = Number(0, 2**32 - 1, whole=True)

WIDTH = Number(1, 2**16, whole=True)

# What plug-ins mean by the names of their options, whatever their kind; a plug-in's own RANGES come first.
RANGES: dict[str, Rule] = {
    "blocks": Number(1, 1000, whole=True),
    "clip_seconds": Number(above=0, high=3600),
    "clips": COUNT,
    "dropout": Number(0, below=1),
    "embedding": WIDTH,
    "filter_heights": WIDTH,
    "hop_samples": WIDTH,
    "memory_gib": Number(above=0),
    "min_seconds": Number(0, 3600),
    "n_fft": Number(4, 2**16, whole=True),
    "n_mels": Number(1, 1024, whole=True),
    "neurons": COUNT,
    "num_classes": COUNT,
    "observations": COUNT,
    "power": Number(above=0, high=100),
    "recurrent": WIDTH,
    "repeats": COUNT,
    "rows": COUNT,
    "sample_rate_hz": Number(1000, 768_000, whole=True),
    "scale_power": Number(0, 100),
    "seconds": Number(above=0, high=3600),
    "seed": SEED,
    "sets": COUNT,
    "stem": WIDTH,
    "top_db": Number(above=0, high=1000),
    "tuning": Number(-12, 12),
    "widths": WIDTH,
    "workers": Number(1, 1024, whole=True),
}


def comma_list(text: str) -> list[str]:
    """'a, b' -> ['a', 'b']."""
    return [item.strip() for item in text.split(",") if item.strip()]


def refuse_repeats(option: str, names: Sequence[str], least: int = 1) -> None:
    """Raises ValueError for a name that stands twice, and for fewer than `least`."""
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(f"{option} names {', '.join(repeated)} more than once; name each once")
    if len(names) < least:
        raise ValueError(f"{option} is empty; name at least one" if least == 1 else f"{option} names too few")


def shown(value: Any) -> str:
    """Shows a value in a message, short whatever it is."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: Any, whole: bool) -> int | float | None:
    """Reads the value as an int or a finite float; None if it is none. A boolean is no number."""
    value = _item(value)
    if isinstance(value, bool):
        return None
    if whole:
        return int(value) if isinstance(value, numbers.Integral) else None
    if not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _item(value: Any) -> Any:
    """Takes what a NumPy or JAX scalar holds, else the value."""
    return value.item() if getattr(value, "shape", None) == () else value


def _plain(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
