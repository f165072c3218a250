"""Keeps the training curve, metrics.jsonl: one line for each split and step at which it was measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from actjax import files

NAME = "metrics.jsonl"


def open_at(workdir: Path, step: int) -> TextIO:
    """The file, open for more lines of `line`; those after `step` go, so that no step stands twice."""
    path = workdir / NAME
    lines = [line(**_with_values(**entry)) for entry in read(workdir) if entry["step"] <= step]
    files.write_text(path, "".join(lines))
    return path.open("a", buffering=1, encoding="utf-8")


def line(step: int, split: str, values: Mapping[str, float]) -> str:
    """One line of the file: {"step", "split", "loss", "accuracy", ...}.

    Args:
      step: training steps done.
      split: what was measured, "train" or "eval".
      values: name -> number; undefined ones are NaN.
    """
    return json.dumps({"step": step, "split": split, **values}) + "\n"


def read(workdir: Path) -> list[dict[str, Any]]:
    """The file's lines as dicts of "step" (int), "split" (str) and numbers; none where there is no file.

    Lines of the first version, which say "part" for "split", are read too. A last line cut short by an
    interruption is left out.

    Raises:
      FileError: another line that is not as `line` makes it; names its number.
    """
    path = workdir / NAME
    if not path.exists():
        return []
    files.regular_file(path)
    with files.reading(path, "lines of JSON"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    entries = []
    for number, text in enumerate(lines, start=1):
        if number == len(lines) and not text.endswith("}\n"):
            break
        with files.reading(path, f"the training curve in line {number}"):
            entries.append(_entry(json.loads(text)))
    return entries


def _with_values(step: int, split: str, **values: float) -> dict[str, Any]:
    return {"step": step, "split": split, "values": values}


def _entry(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise ValueError(f"expected an object, got {type(parsed).__name__}")
    step, split = parsed.get("step"), parsed.get("split", parsed.pop("part", None))
    if type(step) is not int or not isinstance(split, str):
        raise ValueError("expected a step, a whole number, and a split, a name")
    for name, value in parsed.items():
        if name not in ("step", "split") and type(value) not in (int, float):
            raise ValueError(f"expected a number for {name}, got {type(value).__name__}")
    return parsed | {"split": split}
