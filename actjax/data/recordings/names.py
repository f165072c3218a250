"""Note and dynamics out of file names, as sample packs have them: flute_A#4_mf.wav, piano/060-v100.wav."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from actjax.data.recordings.decode import Recording

# The velocity that notation programs play a dynamic mark with.
VELOCITY = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 127}
SEMITONE = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SHIFT = {"#": 1, "s": 1, "\u266f": 1, "b": -1, "\u266d": -1, "": 0}
FIELDS = {
    "note": r"(?P<note>[a-g][#sb\u266f\u266d]?(?:-1|\d)|\d{1,3})",
    "dynamics": r"(?P<dynamics>p{1,3}|f{1,3}|m[pf]|v?\d{1,3})",
}
KNOWN = {"note": "midi_note", "dynamics": "midi_velocity"}
HIGHEST = 127
# The excerpt of a file that a manifest's clip ids name.
_EXCERPT = re.compile(r"@\d+(?:\.\d+)?(?:-(?:\d+(?:\.\d+)?)?)?$")


@dataclasses.dataclass(frozen=True)
class PackRecording(Recording):
    """A recording of a sample pack.

    Attributes:
      facts: ("midi_note", number) and ("midi_velocity", number), as many as the pattern names.
    """

    facts: tuple[tuple[str, float], ...] = ()

    @property
    def known(self) -> Mapping[str, float]:
        """Its facts."""
        return dict(self.facts)


class NamePattern:
    """What the names of a pack look like: `{note}`, `{dynamics}`, `*` for anything, and plain text.

    A note is a letter, perhaps an accidental (#, s, b) and an octave (C4 is 60), or a MIDI number; dynamics
    are ppp to fff, or a velocity 1 .. 127, perhaps behind a v. Letters of either case count. A pattern with a
    slash is held against the path below the folder, others against the name; the suffix does not count.

    Attributes:
      text: the pattern.
      fields: those that it names.
      known: what they tell, as the examples of clips call it.
    """

    def __init__(self, text: str):
        tokens = re.split(r"(\*|\{[^{}]*\})", text)
        self.text = text
        self.fields = tuple(token[1:-1] for token in tokens if token.startswith("{") and token.endswith("}"))
        self.known = tuple(KNOWN[name] for name in self.fields if name in KNOWN)
        unknown = [name for name in self.fields if name not in FIELDS]
        if unknown or not self.fields or len(set(self.fields)) != len(self.fields):
            raise ValueError(
                f"audio_folder: pattern={text!r}: expected {{note}} or {{dynamics}} or both, each once, "
                "with * for anything, as in '*_{note}_{dynamics}'"
            )
        spelled = {"*": ".*?", **{f"{{{name}}}": spelling for name, spelling in FIELDS.items()}}
        self._form = re.compile("".join(spelled.get(t, re.escape(t)) for t in tokens), re.IGNORECASE)

    def facts(self, name: str) -> tuple[tuple[str, float], ...] | None:
        """The facts that a path below the folder tells; None if it does not fit.

        >>> NamePattern("*_{note}_{dynamics}").facts("flutes/flute_A#4_mf.wav")
        (('midi_note', 70.0), ('midi_velocity', 80.0))
        """
        path = PurePosixPath(_EXCERPT.sub("", name)).with_suffix("")
        match = self._form.fullmatch(str(path) if "/" in self.text else path.name)
        if match is None:
            return None
        told = {KNOWN[field]: _VALUE[field](match[field].lower()) for field in self.fields}
        fits = all(0 <= value <= HIGHEST for value in told.values()) and told.get(KNOWN["dynamics"], 1) > 0
        return tuple(told.items()) if fits else None


def named(recordings: Sequence[Recording], names: Sequence[str], pattern: NamePattern) -> list[Recording]:
    """The recordings with the facts of their names.

    Raises:
      ValueError: names that do not fit; one line with the first three.
    """
    facts = [pattern.facts(name) for name in names]
    lost = [name for name, told in zip(names, facts, strict=True) if told is None]
    if lost:
        raise ValueError(
            f"audio_folder: {len(lost)} of {len(names)} names do not fit pattern={pattern.text!r}, "
            f"the first: {', '.join(lost[:3])}"
        )
    return [
        PackRecording(**dataclasses.asdict(recording), facts=told or ())
        for recording, told in zip(recordings, facts, strict=True)
    ]


def _midi_number(text: str) -> float:
    if text.isdigit():
        return float(text)
    accidental = text[1] if not (text[1].isdigit() or text[1] == "-") else ""
    octave = int(text[1 + len(accidental) :])
    return float(12 * (octave + 1) + SEMITONE[text[0]] + SHIFT[accidental])


def _velocity(text: str) -> float:
    return float(VELOCITY[text]) if text in VELOCITY else float(text.removeprefix("v"))


_VALUE: Mapping[str, Callable[[str], float]] = {"note": _midi_number, "dynamics": _velocity}
