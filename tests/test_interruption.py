"""A program that was told to stop ends: between two pieces of work, at once, or by force after a while."""

import os
import signal

import pytest
from launching import ended, start

from actjax import interruption

STUCK = """
import os, signal, sys, time
from actjax import interruption
interruption.GRACE_SECONDS = 0.2
with interruption.ends_in_time(), interruption.last_act(lambda: print("last act", flush=True)):
    try:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(60)  # as a library's callback swallows it
"""

# The program, told to stop while it reads its flags, and where an import turns that into another error.
TOLD = """
import os, signal, sys
from actjax.command import parsing, program

def told(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    except KeyboardInterrupt:
        if where == "flags":
            raise
        raise ImportError("initialization failed")

where = sys.argv[1]
setattr(*{"flags": (parsing, "parse"), "imports": (program, "_run")}[where], told)
sys.argv[1:] = []
program.start()
"""


@pytest.mark.parametrize("name", ["SIGTERM"])
def test_a_program_that_swallows_the_signal_ends_all_the_same(name):
    status, out, err = ended(start(STUCK, name, program=["-c"]))
    assert status == 130 and out.endswith("last act\n")
    assert err.strip() == f"error: {interruption.MESSAGE}"


@pytest.mark.parametrize("where", ["flags", "imports"])
def test_a_program_that_is_told_to_stop_at_its_start_says_so(where):
    status, _, err = ended(start(TOLD, where, program=["-c"]))
    assert (status, err.strip()) == (130, f"error: {interruption.MESSAGE}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_is_noted_and_a_second_one_interrupts(number):
    before = signal.getsignal(number)
    with interruption.StopRequest() as stop:
        assert not stop.asked()
        os.kill(os.getpid(), number)
        assert stop.asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            signal.pause()
    assert signal.getsignal(number) is before
