"""The speed table of the features, on almost nothing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from actjax import lookup
from actjax.benchmark.feature_speed import librosa_peers
from actjax.benchmark.feature_speed.run import benchmark
from actjax.pages.rows import markdown


class InThisProcess(ThreadPoolExecutor):
    """librosa compiles itself anew in each process, for 13 seconds."""

    def __init__(self, workers, mp_context):
        super().__init__(workers)


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.long)])
def test_rows_have_peers_where_there_are_any(processes, monkeypatch):
    if not processes:
        monkeypatch.setattr(librosa_peers, "ProcessPoolExecutor", InThisProcess)
    rows = benchmark(
        features=["rms", "loudness_stevens"], clips=2, seconds=0.3, repeats=1, peer_clips=2, workers=1
    )
    with_peer, without = rows
    assert with_peer["feature"] == "rms"
    assert with_peer["clips_per_s"] > 0
    assert with_peer["times_real_time"] == pytest.approx(0.3 * with_peer["clips_per_s"], rel=1e-6)
    assert with_peer["speedup"] == pytest.approx(with_peer["clips_per_s"] / with_peer["librosa_clips_per_s"])
    assert np.isnan(without["librosa_clips_per_s"])
    assert np.isnan(without["speedup"])
    lines = markdown(rows).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| rms |")


def test_unknown_features_are_refused():
    with pytest.raises(lookup.UnknownNameError, match="rms"):
        benchmark(features=["rmss"], clips=1, seconds=0.1, workers=1)
