"""Clips per second of every feature, side by side with librosa, torchaudio, nnAudio2, flashmel and librosax.

    python -m actjax.benchmark.feature_speed

Wall times are medians of alternating runs; CPU times (all threads and processes) hold on a busy machine too.
"""

import time
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from actjax import lookup
from actjax.benchmark import timing
from actjax.benchmark.feature_speed import batch_peers
from actjax.benchmark.feature_speed.librosa_peers import Pool, librosa_pool
from actjax.benchmark.feature_speed.programs import (
    GROUPS,
    Settings,
    program,
    synthetic_clips,
)
from actjax.workdir.sections import Sections


def benchmark(
    *,
    features: Iterable[str] | None = None,
    clips: int = 64,
    seconds: float = 3.0,
    sample_rate_hz: int = 12000,
    n_fft: int = 512,
    hop_samples: int = 256,
    repeats: int = 5,
    peer_clips: int = 16,
    workers: int | None = None,
    sections: Sections | None = None,
) -> list[dict[str, Any]]:
    """Times features on synthetic clips, compiled and warm, and what peers there are on the same machine.

    Args:
      features: names, or the groups "separation" (harmonic and percussive together) and "stft_based" (all
        that librosa derives from one spectrum, together); None is all features and both groups.
      clips: batch size.
      seconds, sample_rate_hz, n_fft, hop_samples: of clips and their analysis; pitch uses windows of 2048.
      repeats: alternating runs, of which medians are taken.
      peer_clips: how many clips librosa gets per run; its time is scaled by the number.
      workers: processes of librosa; None is one per core.
      sections: where what was timed is kept, and taken from.

    Returns:
      One row per name: feature, clips_per_s, times_real_time, cpu_ms_per_clip, librosa_clips_per_s,
      librosa_cpu_ms_per_clip, torchaudio_clips_per_s, nnaudio2_clips_per_s, flashmel_clips_per_s,
      librosax_clips_per_s (NaN where a peer has no such feature or is not installed), speedup (clips per
      second over librosa's) and cpu_speedup.
    """
    settings = Settings(sample_rate_hz, n_fft, hop_samples)
    waves = synthetic_clips(clips, seconds, sample_rate_hz)
    names = [*lookup.names("feature"), *GROUPS] if features is None else list(features)
    names = [name for name in names if name in GROUPS or not lookup.load("feature", name).host]
    with librosa_pool(workers) as pool:
        sections, few = sections or Sections(), min(peer_clips, clips)
        return [
            sections.value(name, lambda name=name: _row(name, waves, settings, pool, repeats, few))
            for name in names
        ]


def _row(
    name: str, waves: np.ndarray, settings: Settings, pool: Pool, repeats: int, peer_clips: int
) -> dict[str, Any]:
    wall_s, cpu_s, librosa_s = _times(name, waves, settings, pool, repeats, peer_clips)
    clips = len(waves)
    librosa_wall, librosa_cpu = librosa_s
    return {
        "feature": name,
        "clips_per_s": clips / wall_s["ours"],
        "times_real_time": waves.size / settings.sample_rate_hz / wall_s["ours"],
        "cpu_ms_per_clip": 1e3 * cpu_s / clips,
        "librosa_clips_per_s": clips / librosa_wall,
        "librosa_cpu_ms_per_clip": 1e3 * librosa_cpu / clips,
        **{
            f"{library.lower()}_clips_per_s": clips / wall_s.get(library, np.nan)
            for library in batch_peers.LIBRARIES
        },
        "speedup": librosa_wall / wall_s["ours"],
        "cpu_speedup": librosa_cpu / cpu_s,
    }


def _times(
    name: str, waves: np.ndarray, settings: Settings, pool: Pool, repeats: int, peer_clips: int
) -> tuple[dict[str, float], float, tuple[float, float]]:
    """Medians in seconds: wall of "ours" and of each library, our CPU, librosa's wall and CPU."""
    compiled, on_device_bs = program(GROUPS.get(name, (name,)), settings), jax.device_put(waves)
    works = {"ours": lambda: compiled(on_device_bs)}
    for library in batch_peers.LIBRARIES:
        work = batch_peers.work(library, name, waves, settings)
        if work is not None:
            works[library] = work
    pool.time(name, waves[:peer_clips], settings)  # imports, compiles and fills caches
    timing.synchronise(works["ours"]())
    wall: dict[str, list[float]] = {library: [] for library in works}
    cpu, librosa = [], []
    for _ in range(repeats):
        for library, work in works.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            timing.synchronise(work())
            wall[library].append(time.perf_counter() - started)
            if library == "ours":
                cpu.append(time.process_time() - cpu_started)
        librosa.append(np.array(pool.time(name, waves[:peer_clips], settings)) * len(waves) / peer_clips)
    librosa_wall, librosa_cpu = np.median(librosa, axis=0)
    if np.isnan(librosa_cpu):
        librosa_wall = np.nan
    medians = {library: float(np.median(taken)) for library, taken in wall.items()}
    return medians, float(np.median(cpu)), (float(librosa_wall), float(librosa_cpu))
