"""A run's directory: what a stage leaves there, and what the next run may rely on."""

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from actjax import files
from actjax.defaults import default_config

# The config keys that each stage reads beside those of the stages before it.
STAGE_KEYS = {"data": ("seed", "data"), "train": ("frontend", "model", "train")}
STAGES = ("data", "train", "score", "findings", "report")


def claim(workdir: Path, stage: str, config: Mapping[str, Any]) -> None:
    """Records the config that a stage runs with, or refuses a workdir made with another one.

    Only the keys that this stage and those before it read are compared, so that score and report
    options may change freely in a trained workdir.

    Raises:
      ValueError: names the keys that differ.
    """
    files.write_json(workdir / "config.json", compare(workdir, stage, config))


def compare(workdir: Path, stage: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `claim` would record, or its refusal; writes nothing."""
    recorded = files.read_json(workdir / "config.json", {})
    defaults = _flat(default_config().to_dict())
    for earlier in STAGES[: STAGES.index(stage) + 1]:
        asked = _flat({k: config[k] for k in STAGE_KEYS.get(earlier, ())})
        before = recorded.get(earlier)
        if before is not None:
            # An option that the workdir's version had not yet was at what is its default now.
            before = {k: defaults[k] for k in asked.keys() & defaults.keys()} | before
        if before is not None and before != asked:
            keys = sorted(k for k in before.keys() | asked.keys() if before.get(k) != asked.get(k))
            changes = ", ".join(f"{k} = {before.get(k)!r} there, {asked.get(k)!r} asked" for k in keys)
            raise ValueError(
                f"workdir {workdir} was made with another config ({changes}): "
                "choose another --workdir, or ask for the same"
            )
        recorded[earlier] = asked
    return recorded | {"latest": _flat(config)}


def update_manifest(workdir: Path, **entries: Any) -> None:
    """Adds entries (devices, fingerprints, content hashes ...) to manifest.json."""
    path = workdir / "manifest.json"
    packages = (
        "actjax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "numpy",
        "librosa",
        "tensorflow-datasets",
        "grain",
    )
    manifest = files.read_json(path, {})
    manifest["versions"] = {"python": platform.python_version()} | {p: _version(p) for p in packages}
    manifest.update(entries)
    files.write_json(path, manifest)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        else:
            out[name] = value
    return json.loads(json.dumps(out, default=str))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
