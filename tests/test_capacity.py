"""What a process keeps of the memory that it frees, and the devices that it starts early."""

import os
import platform
import subprocess
import sys
import threading

import pytest

from actjax import capacity

# Prints how many pages come fresh from the kernel for an array of 64 MiB, made anew: before, then after.
_PAGES = """
import resource
import numpy as np
from actjax import capacity

def fresh_pages():
    np.ones(1 << 23)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(1 << 23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(fresh_pages())
capacity.keep_freed()
print(fresh_pages())
capacity.release()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told what to keep")
@pytest.mark.parametrize("tunables", [None, "glibc.malloc.mmap_max=65536"])
def test_freed_memory_is_kept_unless_the_user_has_chosen(tunables):
    environment = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
    environment |= {"GLIBC_TUNABLES": tunables} if tunables else {}
    run = subprocess.run([sys.executable, "-c", _PAGES], capture_output=True, text=True, env=environment)
    before, after = map(int, run.stdout.split())
    # Huge pages are 2 MiB, so that 64 MiB are 32 of them at the least.
    assert before >= 32
    assert (after < before / 4) == (tunables is None)


@pytest.mark.parametrize("fault", [None, RuntimeError("out of memory")])
def test_devices_start_in_a_thread_that_leaves_faults_to_the_run(monkeypatch, capfd, fault):
    started, may_start = [], threading.Event()

    def replicate(values):
        assert may_start.wait(10)
        started.append(values.shape)
        if fault:
            raise fault

    monkeypatch.setattr(capacity.parallel, "replicate", replicate)
    capacity.awaken()
    [thread] = [one for one in threading.enumerate() if one.name == "awaken"]
    assert not started  # nobody waits
    may_start.set()
    thread.join(10)
    assert started == [()] and capfd.readouterr().err == ""
