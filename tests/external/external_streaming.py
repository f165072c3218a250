"""Scores a large file of activations and says how fast and in how much memory, as JSON.

python tests/external/external_streaming.py FOLDER GIB
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np

from actjax.data.loader import Source
from actjax.defaults import default_config

RATE, SAMPLES = 12_000, 36_000
SHAPE = (12, 70, 256)


class Reader:
    """Silence but for one short noise, the same array for every clip."""

    audio = np.random.default_rng(0).normal(size=SAMPLES).astype(np.float32) * 0.1

    def __init__(self, clips):
        self.clips = clips

    def __len__(self):
        return self.clips

    def __getitem__(self, index):
        return {"audio": np.roll(self.audio, 997 * index) * (1 + index % 7)}


def write(folder, gib):
    """A folder of one float32 layer of that size, off the page cache."""
    clips = int(gib * 2**30 / np.prod(SHAPE) / 4)
    ids = [f"c{i}" for i in range(clips)]
    path = Path(folder) / "maps.npy"
    block = np.random.default_rng(1).normal(size=(16, *SHAPE)).astype(np.float32)
    # Not by a memory map: its pages would count as this process's memory.
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (clips, *SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, clips, 16):
            file.write(block[: clips - start].tobytes())
    np.save(Path(folder) / "clip_ids.npy", np.array(ids))
    (Path(folder) / "maps").mkdir()
    np.save(Path(folder) / "maps/hop_s.npy", 512 / RATE)
    np.save(Path(folder) / "maps/time0_s.npy", 256 / RATE)
    labels = np.arange(clips, dtype=np.int32) % 3
    return path, Source(Reader(clips), ids, ids, labels, ("x", "y", "z"), RATE, SAMPLES, "0")


def forget(path):
    """Drops a file from the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_seconds(path):
    """How long reading the file takes, and nothing else."""
    forget(path)
    buffer, start = bytearray(32 * 2**20), time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


def score_seconds(path, source, folder):
    """How long --stage=score takes, compilation included, with the time of its pass alone."""
    from actjax import runs
    from actjax.scoring import running
    from actjax.stages import score

    config = default_config()
    config.score.update(activations=str(path.parent), features="rms", views="clip,frame", null="none")
    config.score.update(networks="", batch_size=32)
    config.data.clip_seconds = source.clip_samples / source.sample_rate_hz
    run, spent = runs.open_run(config, folder), []

    def timed(stacks, *args):
        spent.append(time.perf_counter())
        return add(stacks, *args)

    forget(path)
    add, start = running.Running.add, time.perf_counter()
    patches = (
        mock.patch.object(runs, "make_builder", lambda *_: None),
        mock.patch.object(score.loader, "open_source", lambda *_: source),
        mock.patch.object(running.Running, "add", timed),
    )
    with patches[0], patches[1], patches[2]:
        score.stage.run(run)
    steady = (spent[-1] - spent[1]) / (len(spent) - 2)
    return time.perf_counter() - start, steady * len(spent)


def main(folder, gib):
    path, source = write(folder, gib)
    reading = read_seconds(path)
    whole, streaming = score_seconds(path, source, Path(folder) / "run")
    again = read_seconds(path)
    gib = path.stat().st_size / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = {"read": reading, "read_again": again, "score": whole, "streaming": streaming}
    print(json.dumps({"gib": gib, "peak_gib": peak, "clips": len(source), "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
