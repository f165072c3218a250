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


def write_irmas(root, class_names, *, recordings, parts):
    """IRMAS: training recordings of each class, of equal parts, and two test excerpts; returns the index."""
    tracks = {}
    for pitch, label in enumerate(class_names):
        for number in range(recordings):
            for part in range(1, parts + 1):
                name = f"IRMAS-TrainingData/{label}/[{label}][cla]{label}{number:04d}__{part}.wav"
                write(root / name, tone(1.0, 220.0 + 60 * pitch))
                tracks[f"{label}{number:04d}__{part}"] = {"audio": name, "annotation": name}
    for name, lines in (("(02) song-1", ["cel", "gel"]), ("(02) song-3", ["voi"])):
        path = f"IRMAS-TestingData-Part1/Part1/{name}"
        write(root / f"{path}.wav", tone(2.4))
        (root / f"{path}.txt").write_text("".join(f"{line}\t\n" for line in lines))
        tracks[name] = {"audio": f"{path}.wav", "annotation": f"{path}.txt"}
    return write_index(root, tracks)
