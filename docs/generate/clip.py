"""The clip that every feature of the reference is shown on, and its sound."""

import functools
import io
import wave

import numpy as np

RATE = 12_000
INDEX = 31  # of the clips of gm_instruments: some notes after each other, with onsets one can see


@functools.cache
def samples() -> np.ndarray:
    """[s] float32 in -1 .. 1, three seconds rendered from the sound font, its peak at 0.5."""
    import tempfile

    from actjax import lookup

    with tempfile.TemporaryDirectory() as folder:
        builder = lookup.load("dataset", "gm_instruments", config="tiny", data_dir=folder, workers=1)
        [example] = builder.work()(INDEX)
    audio = np.asarray(example["audio"])
    wave_s = audio.astype(np.float32)
    return 0.5 * wave_s / np.abs(wave_s).max()


def wav() -> bytes:
    """The clip as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples(), -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
