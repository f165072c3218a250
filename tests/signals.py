"""Synthetic clips like music: harmonic tones with envelopes and vibrato, drum-like bursts, room noise."""

import functools

import numpy as np


@functools.cache
def music(sample_rate_hz, seconds=3.0, seed=0):
    """[s] float32: chords of decaying harmonic tones over noise bursts, slightly noisy, peak 0.8."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(sample_rate_hz * seconds)) / sample_rate_hz
    wave = 1e-3 * rng.standard_normal(time.size)
    for onset in np.arange(0.1, seconds, 0.31):
        sounds = slice(np.searchsorted(time, onset), None)
        since = time[sounds] - onset
        envelope = np.minimum(since / 0.01, 1.0) * np.exp(-since / 0.25)
        vibrato = 0.2 * np.sin(2 * np.pi * 5 * since)
        for midi in rng.choice(np.arange(45, 82), 3, replace=False):
            base = 440.0 * 2.0 ** ((midi - 69 + 0.12) / 12)
            for harmonic in range(1, 9):
                if harmonic * base < 0.45 * sample_rate_hz:
                    phase = 2 * np.pi * harmonic * base * since + vibrato
                    wave[sounds] += envelope * np.sin(phase) / harmonic**1.3
        burst = rng.standard_normal(time.size)[sounds] * np.exp(-since / 0.02)
        wave[sounds] += 0.6 * rng.random() * burst
    wave = (0.8 * wave / np.abs(wave).max()).astype(np.float32)
    wave.flags.writeable = False  # the same for all that ask
    return wave


def relative_error(found, expected):
    """The norm of the difference over the norm of the reference."""
    expected = np.asarray(expected, np.float64)
    return np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)
