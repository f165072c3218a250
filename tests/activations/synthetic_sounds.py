"""Sounds of 1.6 and of 2.4 seconds in clips of 2.4 seconds, that change in level, pitch and texture."""

import numpy as np

RATE, SHORT, WHOLE = 12_000, 19_200, 28_800


def sound(number, samples):
    """[s] float32: notes of one pitch that swell, over noise that swells more, a beat every 0.4 s."""
    rng = np.random.default_rng(number)
    time = np.arange(samples) / RATE
    hz = 220.0 * 2 ** (rng.integers(0, 24) / 12 + 0.02)
    beat = np.exp(-12 * (time % 0.4)) * (0.4 + 0.2 * (time // 0.4))
    tones = sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3))
    noise = rng.normal(size=samples) * (0.02 + 0.05 * time**2 * rng.random())
    return (0.25 * beat * tones + noise).clip(-1, 1).astype(np.float32)


def waves():
    """([8, WHOLE] float32, [8] int32 lengths), the first six padded with silence."""
    lengths = np.array([SHORT] * 6 + [WHOLE] * 2, np.int32)
    padded = np.zeros((8, WHOLE), np.float32)
    for i, length in enumerate(lengths):
        padded[i, :length] = sound(i, length)
    return padded, lengths
