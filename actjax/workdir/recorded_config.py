"""Keeps config.json, the options that each stage ran with; refuses a workdir that was made with others."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actjax import files, options
from actjax.defaults import default_config

NAME = "config.json"
STAGES = ("data", "train", "score", "findings", "atlas", "report")
# The config keys that each stage reads beside those of the stages before it.
STAGE_KEYS = {"data": ("seed", "data"), "train": ("frontend", "model", "train")}
# Of these, what changes how a stage works and not what comes out.
_FREE = ("train.population",)
_IMPORT, _LATEST = "import", "latest"
_REMEDY = "choose another --workdir"


def write(workdir: Path, stage: str, config: Mapping[str, Any]) -> Path:
    """Records the config that a stage runs with, or refuses a workdir made with another one.

    Only the keys that this stage and those before it read are compared, so that score and report
    options may change freely in a trained workdir.

    Raises:
      ValueError: names the keys that differ.
    """
    return files.write_json(workdir / NAME, compare(workdir, stage, config))


def write_import(workdir: Path, weights_sha256: str) -> Path:
    """Records that the workdir's network comes from the file of that hash."""
    return files.write_json(workdir / NAME, read(workdir) | {_IMPORT: {"weights": weights_sha256}})


def read(workdir: Path) -> dict[str, dict[str, Any]]:
    """stage -> the options that it ran with; "latest" -> all of the last stage's; empty where none ran.

    Raises:
      FileError: it is damaged.
    """
    path = workdir / NAME
    recorded = files.read_json(path, {}, remedy=_REMEDY)
    return files.fields(path, recorded, {}, dict.fromkeys((*STAGES, _IMPORT, _LATEST), dict), remedy=_REMEDY)


def is_recorded(workdir: Path) -> bool:
    """Whether a stage ran in the workdir."""
    return bool(read(workdir).get(_LATEST))


def latest(workdir: Path) -> dict[str, Any]:
    """The options that the workdir's last stage ran with, by their dotted names.

    Raises:
      FileNotFoundError: no stage ran there.
      FileError: the record is damaged.
    """
    recorded = read(workdir).get(_LATEST)
    if not recorded:
        raise FileNotFoundError(f"no stage ran in {workdir}: expected a workdir with {NAME}")
    return recorded


def is_imported(workdir: Path) -> bool:
    """Whether the workdir is for a network of imported weights."""
    return _IMPORT in read(workdir)


def imported_sha256(workdir: Path) -> str | None:
    """The hash of the file whose weights the workdir holds; None where none were imported."""
    return read(workdir).get(_IMPORT, {}).get("weights")


def compare(workdir: Path, stage: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `write` would record, or its refusal; writes nothing."""
    recorded = read(workdir)
    defaults = _flat(default_config().to_dict())
    for earlier in STAGES[: STAGES.index(stage) + 1]:
        asked = _flat({key: config[key] for key in STAGE_KEYS.get(earlier, ())})
        asked = {key: value for key, value in asked.items() if key not in _FREE}
        before = recorded.get(earlier)
        if before is not None:
            # An option that the workdir's version had not yet was at what is its default now.
            before = {key: defaults[key] for key in asked.keys() & defaults.keys()} | before
        if before is not None and before != asked:
            raise ValueError(
                f"workdir {workdir} was made with another config ({_difference(before, asked)}): "
                "choose another --workdir, or ask for the same"
            )
        recorded[earlier] = asked
    return recorded | {_LATEST: _flat(config)}


def _difference(before: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """The first options in which two configs differ, in words."""
    keys = sorted(key for key in before.keys() | asked.keys() if before.get(key) != asked.get(key))[:8]
    shown, name = options.shown, files.printable
    return ", ".join(
        f"{name(key):.60} = {shown(before.get(key))} there, {shown(asked.get(key))} asked" for key in keys
    )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config with dotted names, of what JSON can hold."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return json.loads(json.dumps(flat, default=str))
