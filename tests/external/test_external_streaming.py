"""Activations larger than the memory allowed to the process are scored near the disk's own rate."""

import json

import pytest
from launching import finish, start


@pytest.mark.long
def test_two_gib_are_scored_in_bounded_memory_at_half_the_read_rate(tmp_path):
    out, _ = finish(start(tmp_path, "2", program=["tests/external/external_streaming.py"], XLA_FLAGS=""))
    found = json.loads(out.splitlines()[-1])
    assert found["gib"] > 1.9 and found["peak_gib"] < 1.5
    reading = (found["seconds"]["read"] + found["seconds"]["read_again"]) / 2
    assert found["seconds"]["streaming"] < 2 * reading
