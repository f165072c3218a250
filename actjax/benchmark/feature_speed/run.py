"""Clips per second of every feature, side by side with librosa, torchaudio and nnAudio.

    python -m actjax.benchmark.feature_speed.run

Wall times are medians of alternating runs; CPU times (all threads and processes) hold on a busy machine too.
"""

import time
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.benchmark.feature_speed.peers import SEPARATION, STFT_BASED, Settings, librosa_pool, torch_batch

GROUPS = {"separation": SEPARATION, "stft_based": tuple(STFT_BASED)}


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
) -> list[dict[str, Any]]:
    """Times features on synthetic clips, compiled and warm, and what peers there are on the same cores.

    Args:
      features: names, or the groups "separation" (harmonic and percussive together) and "stft_based" (all
        that librosa derives from one spectrum, together); None is all features and both groups.
      clips: batch size.
      seconds, sample_rate_hz, n_fft, hop_samples: of clips and their analysis; pitch uses windows of 2048.
      repeats: alternating runs, of which medians are taken.
      peer_clips: how many clips librosa gets per run; its time is scaled by the number.
      workers: processes of librosa; None is one per core.

    Returns:
      One row per name: feature, clips_per_s, times_real_time, cpu_ms_per_clip, librosa_clips_per_s,
      librosa_cpu_ms_per_clip, torchaudio_clips_per_s, nnaudio_clips_per_s (NaN where a peer has no such
      feature or is not installed), speedup (clips per second over librosa's) and cpu_speedup.
    """
    at = Settings(sample_rate_hz, n_fft, hop_samples)
    waves = _clips(clips, seconds, sample_rate_hz)
    hosted = [name for name in lookup.names("feature") if lookup.load("feature", name).host]
    chosen = [*lookup.names("feature"), *GROUPS] if features is None else list(features)
    with librosa_pool(workers) as pool:
        return [
            _row(name, waves, at, pool, repeats, min(peer_clips, clips))
            for name in chosen
            if name not in hosted
        ]


def _row(name, waves, at, pool, repeats, peer_clips):
    program = _program(GROUPS.get(name, (name,)), waves, at)
    peers = {library: _torch_program(library, name, waves, at) for library in ("torchaudio", "nnAudio")}
    pool.time(name, waves[:peer_clips], at)  # imports, compiles and fills caches
    runs = []
    for _ in range(repeats):
        ours = _timed(program)
        theirs = np.array(pool.time(name, waves[:peer_clips], at)) * len(waves) / peer_clips
        others = [_timed(peer)[0] if peer else np.nan for peer in peers.values()]
        runs.append([*ours, *theirs, *others])
    wall, cpu, librosa_wall, librosa_cpu, torchaudio, nnaudio = np.median(runs, axis=0)
    clips = len(waves)
    librosa_wall = np.nan if np.isnan(librosa_cpu) else librosa_wall
    return {
        "feature": name,
        "clips_per_s": clips / wall,
        "times_real_time": waves.size / at.sample_rate_hz / wall,
        "cpu_ms_per_clip": 1e3 * cpu / clips,
        "librosa_clips_per_s": clips / librosa_wall,
        "librosa_cpu_ms_per_clip": 1e3 * librosa_cpu / clips,
        "torchaudio_clips_per_s": clips / torchaudio,
        "nnaudio_clips_per_s": clips / nnaudio,
        "speedup": librosa_wall / wall,
        "cpu_speedup": librosa_cpu / cpu,
    }


def _program(names, waves, at):
    """A compiled function of no arguments that computes the features of all clips in one program."""
    made = []
    for name in names:
        options = lookup.options_of("feature", name)
        pitched = "voicing" in options or name == "harmonic_to_noise_ratio"
        wanted = {"n_fft": 2048 if pitched else at.n_fft, "hop_samples": at.hop_samples}
        kept = {k: v for k, v in wanted.items() if k in options}
        made.append(lookup.load("feature", name, sample_rate_hz=at.sample_rate_hz, **kept))
    compiled = jax.jit(jax.vmap(lambda wave_s: {f.name: f.fn(wave_s) for f in made}))
    on_device = jnp.asarray(waves)

    def run():
        jax.block_until_ready(compiled(on_device))

    run()
    return run


def _torch_program(library, name, waves, at):
    module = torch_batch(library, name, at)
    if module is None:
        return None
    import torch

    batch = torch.from_numpy(waves)

    def run():
        with torch.no_grad():
            module(batch)

    run()
    return run


def _timed(run):
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def _clips(clips, seconds, sample_rate_hz):
    """[clip, s] decaying harmonic tones and noise, different in every clip."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    waves = 0.01 * rng.standard_normal((clips, time_s.size))
    for wave in waves:
        for onset in np.arange(0.0, seconds, 0.3):
            since = np.maximum(time_s - onset, 0.0)
            envelope = (time_s >= onset) * np.exp(-4.0 * since)
            base = 440.0 * 2.0 ** (rng.integers(-24, 24) / 12)
            for harmonic in range(1, 6):
                wave += 0.1 / harmonic * envelope * np.sin(2 * np.pi * harmonic * base * since)
    return waves.astype(np.float32)
