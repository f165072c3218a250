"""The training curve, metrics.jsonl: one line for each split and step at which it was measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actjax import files

NAME = "metrics.jsonl"


def line(step: int, split: str, values: Mapping[str, float]) -> str:
    """One line of the file: {"step", "split", "loss", "accuracy", ...}.

    Args:
      step: training steps done.
      split: what was measured, "train" or "eval".
      values: name -> number; undefined ones are NaN.
    """
    return json.dumps({"step": step, "split": split, **values}) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """The file's lines as dicts of "step" (int), "split" (str) and numbers; none where there is no file.

    Lines of the first version, which say "part" for "split", are read too. A last line cut short by an
    interruption is left out.

    Raises:
      FileError: another line that is not as `line` makes it; names its number.
    """
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


def keep_until(path: Path, step: int) -> None:
    """Drops the lines after `step`, so that a run that goes on from there writes none twice."""
    kept = [line(**_apart(**entry)) for entry in read(path) if entry["step"] <= step]
    with files.written_whole(path) as aside:
        aside.write_text("".join(kept), encoding="utf-8")


def _apart(step: int, split: str, **values: float) -> dict[str, Any]:
    return {"step": step, "split": split, "values": values}


def _entry(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {type(found).__name__}")
    step, split = found.get("step"), found.get("split", found.pop("part", None))
    if type(step) is not int or not isinstance(split, str):
        raise ValueError("expected a step, a whole number, and a split, a name")
    for name, value in found.items():
        if name not in ("step", "split") and type(value) not in (int, float):
            raise ValueError(f"expected a number for {name}, got {type(value).__name__}")
    return found | {"split": split}
