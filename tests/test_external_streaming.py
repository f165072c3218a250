"""Activations larger than the memory allowed to the process are scored near the disk's own rate."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.long
def test_two_gib_are_scored_in_bounded_memory_at_half_the_read_rate(tmp_path):
    command = [sys.executable, "tests/external_streaming.py", str(tmp_path), "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["gib"] > 1.9 and found["peak_gib"] < 1.5
    reading = (found["seconds"]["read"] + found["seconds"]["read_again"]) / 2
    assert found["seconds"]["streaming"] < 2 * reading
