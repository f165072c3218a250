"""Keeps manifest.json: on which devices and versions a workdir was made, and hashes of what is in it."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from actjax import files

NAME = "manifest.json"
PACKAGES = (
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


def write(workdir: Path, **entries: Any) -> Path:
    """Adds entries to the manifest: devices, fingerprints, hashes of files; what JSON can hold."""
    return files.write_json(workdir / NAME, read(workdir) | {"versions": versions()} | entries)


def versions() -> dict[str, str | None]:
    """Python's version, and each package's; None where it is not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def read(workdir: Path) -> dict[str, Any]:
    """The manifest's entries; empty where there is none.

    Raises:
      FileError: it is damaged.
    """
    return files.read_json(workdir / NAME, {}, remedy="delete it; the next stage writes it anew")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
