"""Small trees of audio files in the layouts of real data sets."""

import json

import numpy as np
import soundfile

RATE = 16_000


def tone(seconds=1.0, hz=440.0, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def write(path, wave=None, rate=RATE, **options):
    """Writes a tone (or a wave) and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone() if wave is None else wave, rate, **options)
    return path


def write_index(folder, tracks, name="index.json"):
    """A mirdata index: tracks maps track id to {kind: path relative to the folder}."""
    content = {
        "version": "1",
        "tracks": {t: {k: [p, "0"] for k, p in files.items()} for t, files in tracks.items()},
    }
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)
