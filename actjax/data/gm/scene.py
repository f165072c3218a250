"""Draws and applies the circumstances of a recording: room, noise, band limits, level, clipping.

All are drawn from the seed and the clip's index, never from its class.
"""

import dataclasses

import numpy as np

_SCENE, _NOISE, _ROOM = 3, 4, 5  # streams of random numbers


@dataclasses.dataclass(frozen=True)
class Scene:
    """One recording situation.

    Attributes:
      gain_db: of the recording, source and noise alike; 0 dB puts the source at SOURCE_DBFS.
      snr_db: source power over noise power.
      noise_exponent: the noise's power falls as 1 / f ** exponent.
      hum_hz: mains hum within the noise, 0 for none.
      rt60_s: reverberation time.
      wet_db: energy of the reverberation over that of the direct sound.
      highpass_hz, lowpass_hz: band limits of the recording.
      tilt_db_per_octave: the source's spectral tilt around 1 kHz.
      level_change_db: how far the level drifts over the clip, 0 for not at all.
      clipping_db: how far the loudest peak lies above the hard clipping level, 0 for no clipping.
    """

    gain_db: float
    snr_db: float
    noise_exponent: float
    hum_hz: float
    rt60_s: float
    wet_db: float
    highpass_hz: float
    lowpass_hz: float
    tilt_db_per_octave: float
    level_change_db: float
    clipping_db: float


SCENE_FIELDS = tuple(field.name for field in dataclasses.fields(Scene))


def draw_scene(seed: int, index: int, sample_rate_hz: int) -> Scene:
    """The situation of clip `index`."""
    rng = np.random.default_rng([seed, index, _SCENE])
    nyquist = sample_rate_hz / 2
    values = {
        "gain_db": rng.uniform(-20.0, 0.0),
        "snr_db": rng.uniform(5.0, 40.0),
        "noise_exponent": rng.uniform(0.0, 2.0),
        "hum_hz": rng.choice([0.0, 0.0, 0.0, 50.0, 60.0]),
        "rt60_s": np.exp(rng.uniform(np.log(0.15), np.log(1.2))),
        "wet_db": rng.uniform(-20.0, 0.0),
        "highpass_hz": np.exp(rng.uniform(np.log(30.0), np.log(200.0))),
        "lowpass_hz": nyquist * np.exp(rng.uniform(np.log(0.45), np.log(0.95))),
        "tilt_db_per_octave": rng.uniform(-2.0, 2.0),
        "level_change_db": rng.uniform(-9.0, 9.0) * (rng.random() < 0.25),
        "clipping_db": rng.uniform(3.0, 9.0) * (rng.random() < 0.08),
    }
    return Scene(**{name: float(value) for name, value in values.items()})


def noise(seed: int, index: int, scene: Scene, samples: int, sample_rate_hz: int) -> np.ndarray:
    """[samples] float64 background noise of unit power: coloured, slowly swelling, with hum."""
    rng = np.random.default_rng([seed, index, _NOISE])
    hz = np.fft.rfftfreq(samples, 1.0 / sample_rate_hz)
    spectrum = rng.normal(size=len(hz)) + 1j * rng.normal(size=len(hz))
    wave = np.fft.irfft(spectrum * np.maximum(hz, 40.0) ** (-scene.noise_exponent / 2), samples)
    time = np.arange(samples) / sample_rate_hz
    wave *= 1.0 + 0.4 * np.sin(2 * np.pi * (rng.uniform(0.1, 1.0) * time + rng.random()))
    wave /= np.sqrt(np.mean(wave**2))
    if scene.hum_hz:
        for harmonic in (1, 2, 3):
            wave += 0.4 / harmonic * np.sin(2 * np.pi * (harmonic * scene.hum_hz * time + rng.random()))
    return wave / np.sqrt(np.mean(wave**2))


def room_response(seed: int, index: int, scene: Scene, sample_rate_hz: int) -> np.ndarray:
    """[r] float64 impulse response of unit energy: direct sound, early reflections, a decaying tail.

    The tail is noise that falls by 60 dB in rt60_s; its upper half band falls twice as fast.
    """
    rng = np.random.default_rng([seed, index, _ROOM])
    count = int(scene.rt60_s * sample_rate_hz)
    time = np.arange(count) / sample_rate_hz
    white = rng.normal(size=count)
    low = np.convolve(white, [0.25, 0.5, 0.25], mode="same")
    decay = 10.0 ** (-3.0 * time / scene.rt60_s)
    tail = low * decay + (white - low) * decay**2
    tail[: int(0.002 * sample_rate_hz)] = 0.0
    for delay_s in rng.uniform(0.003, 0.03, 6):
        tail[min(int(delay_s * sample_rate_hz), count - 1)] += rng.choice([-1.0, 1.0]) * rng.uniform(2.0, 6.0)
    tail *= np.sqrt(10.0 ** (scene.wet_db / 10.0) / np.sum(tail**2))
    tail[0] = 1.0
    return tail / np.sqrt(np.sum(tail**2))


def convolve(wave: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The first len(wave) samples of the convolution."""
    size = _fast_size(len(wave) + len(response) - 1)
    product = np.fft.rfft(wave, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(wave)]


def shape_spectrum(
    wave: np.ndarray,
    sample_rate_hz: int,
    *,
    tilt_db_per_octave: float = 0.0,
    highpass_hz: float = 0.0,
    lowpass_hz: float = np.inf,
) -> np.ndarray:
    """Zero-phase tilt around 1 kHz (held below 60 Hz) and fourth-order Butterworth band limits."""
    pad = sample_rate_hz // 10
    size = _fast_size(len(wave) + 2 * pad)
    hz = np.fft.rfftfreq(size, 1.0 / sample_rate_hz)
    gain = 10.0 ** (tilt_db_per_octave * np.log2(np.maximum(hz, 60.0) / 1000.0) / 20.0)
    if highpass_hz:
        gain *= 1.0 / np.sqrt(1.0 + (highpass_hz / np.maximum(hz, 1e-3)) ** 8)
    gain *= 1.0 / np.sqrt(1.0 + (hz / lowpass_hz) ** 8)
    padded = np.pad(wave, (pad, size - len(wave) - pad))
    return np.fft.irfft(np.fft.rfft(padded) * gain, size)[pad : pad + len(wave)]


def _fast_size(count: int) -> int:
    """The smallest 2**a * 3**b * 5**c of at least `count`: a fast length for the FFT."""
    best = 1 << (count - 1).bit_length()
    for five in range(8):
        for three in range(12):
            base = 5**five * 3**three
            if base < best:
                two = max((count + base - 1) // base - 1, 0).bit_length()
                best = min(best, base << two)
    return best
