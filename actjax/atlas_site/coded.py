"""Writes data for the page: arrays as bytes in text, JSON within scripts."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files
from actjax.pages.numbers import shortened

# Of a byte; 255 stands for undefined.
LEVELS, UNDEFINED = 254, 255


def coded(values: np.ndarray) -> dict[str, Any]:
    """Values as bytes from their least (0) to their largest (254), undefined ones as 255."""
    defined = np.isfinite(values)
    low, high = (float(f(values[defined])) for f in (np.min, np.max)) if defined.any() else (0.0, 1.0)
    return {"bytes": as_text(levels(values, low, high)), "low": rounded(low), "high": rounded(high)}


def levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """[...] uint8 of values between low and high."""
    scaled = (np.nan_to_num(values, nan=low) - low) / (high - low if high > low else 1.0)
    of_254 = np.round(np.clip(scaled, 0.0, 1.0) * LEVELS)
    return np.where(np.isfinite(values), of_254, UNDEFINED).astype(np.uint8)


def as_text(of_bytes: np.ndarray) -> str:
    """Bytes in base 64."""
    return base64.b64encode(np.ascontiguousarray(of_bytes, np.uint8).tobytes()).decode()


def rounded(value: float | None) -> float | None:
    """The value in some digits, which the page rounds as the report rounds the value; None if undefined."""
    return None if value is None or not np.isfinite(value) else shortened(value)


def column(values: np.ndarray) -> list[float | None]:
    """A column of the index."""
    return [rounded(value) for value in np.asarray(values, np.float64).tolist()]


def write_script(path: Path, name: str, value: Any) -> Path:
    """A script that hands the page a value: a page opened from a file may not read JSON, but runs scripts."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return files.write_text(path, f"atlasPut({json.dumps(name)},{text});\n")
