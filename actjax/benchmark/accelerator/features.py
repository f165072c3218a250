"""The section of the features: clips per second of the costly ones, and of all in one program."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from actjax.benchmark.accelerator.rows import Build, Job, Peer, Section
from actjax.benchmark.feature_speed import batch_peers
from actjax.benchmark.feature_speed.programs import (
    SEPARATION,
    Settings,
    on_device,
    program,
    synthetic_clips,
)
from actjax.benchmark.timing import Work

SETTINGS = Settings(sample_rate_hz=12_000, n_fft=512, hop_samples=256)
# Clips that the CPU computes again.
_SAMPLE = 2


def rows(tiny: bool) -> Mapping[str, Build]:
    """Batches of 256 clips of three seconds."""
    clips, seconds = (3, 0.5) if tiny else (256, 3.0)
    single = {"mel": ("mel",)}
    if not tiny:
        single |= {"separation": SEPARATION, "chroma_cqt": ("chroma_cqt",), "f0_yin": ("f0_yin",)}
    builds: dict[str, Build] = {
        name: functools.partial(_job, names, clips, seconds, name) for name, names in single.items()
    }
    every = ("mel", "rms", "spectral_centroid") if tiny else on_device()
    # Some of all features are decisions, which a last digit can turn: no error is told.
    return builds | {f"all {len(every)} features": lambda: _job(every, clips, seconds, None)}


@functools.lru_cache(maxsize=1)
def _waves(clips: int, seconds: float) -> np.ndarray:
    return synthetic_clips(clips, seconds, SETTINGS.sample_rate_hz)


def _job(names: Sequence[str], clips: int, seconds: float, compared: str | None) -> Job:
    waves = _waves(clips, seconds)
    compute, wave_bs = program(names, SETTINGS), jax.device_put(waves)
    out = jax.eval_shape(compute, wave_bs)
    least = waves.nbytes + sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(out))
    return Job(
        lambda: compute(wave_bs),
        f"{clips} clips of {seconds:g} s",
        memory_bytes=float(least),
        clips=clips,
        error=None if compared is None else functools.partial(_difference_from_cpu, names, waves),
        against="CPU, of the largest value",
        peers=[] if compared is None else _peers(compared, waves),
    )


def _difference_from_cpu(names: Sequence[str], waves: np.ndarray, result: Any) -> float:
    """The largest difference from the same program on a CPU, as a share of the feature's largest value."""
    some = jax.device_put(waves[:_SAMPLE], jax.devices("cpu")[0])
    expected = program(names, SETTINGS)(some)
    shares = []
    for name, (values, valid) in expected.items():
        there = np.broadcast_to(np.asarray(valid)[:, None, :], values.shape)
        difference = np.abs(np.asarray(values) - np.asarray(result[name][0][:_SAMPLE]))[there]
        shares.append(difference.max() / np.abs(np.asarray(values))[there].max())
    return float(max(shares))


def _peers(name: str, waves: np.ndarray) -> list[Peer]:
    """Every library that has the feature, installed or not."""
    libraries = [library for library in batch_peers.LIBRARIES if batch_peers.has(library, name)]
    return [Peer(library, _builder(library, name, waves)) for library in libraries]


def _builder(library: str, name: str, waves: np.ndarray) -> Any:
    if not batch_peers.installed(library):
        return None

    def build() -> list[tuple[Work, float]]:
        work = batch_peers.work(library, name, waves, SETTINGS)
        return [] if work is None else [(work, 1.0)]

    return build


SECTION = Section("features", "Features", rows)
