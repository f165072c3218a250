"""What a table was measured on."""

import datetime
import importlib.metadata
import platform
import subprocess
from typing import Any

import jax

_LIBRARIES = (
    "jax",
    "jaxlib",
    "flax",
    "numpy",
    "torch",
    "torchaudio",
    "librosax",
    "nnAudio2",
    "flashmel",
    "himalaya",
)


def describe() -> dict[str, Any]:
    """Card and its driver, versions of the libraries, date."""
    devices = jax.local_devices()
    return {
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "platform": devices[0].platform,
        "driver": _driver(),
        "python": platform.python_version(),
        "versions": {name: version for name in _LIBRARIES if (version := _version(name))},
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    """The driver's version and the power limit, as the vendor's tool tells them; None without that tool."""
    query = ["nvidia-smi", "--query-gpu=driver_version,power.limit", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = told.stdout.split("\n")
    return lines[0].strip() or None
