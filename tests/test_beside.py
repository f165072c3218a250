"""Works run in threads beside an accelerator and one after the other on a CPU; results keep their order."""

import contextvars
import sys
import threading

import pytest

from actjax import beside, parallel, precision

COLOUR = contextvars.ContextVar("colour", default="none")


@pytest.fixture
def accelerator(monkeypatch):
    monkeypatch.setattr(parallel, "on_cpu", lambda: False)
    monkeypatch.setattr(parallel, "device_bytes", lambda: 4 * 2**30)
    monkeypatch.setattr(beside.os, "cpu_count", lambda: 2)


def test_works_wait_for_each_other_in_threads_of_the_callers_context(accelerator):
    together = threading.Barrier(2, timeout=20)
    COLOUR.set("red")

    def work(number):
        together.wait()
        return number, COLOUR.get()

    before = sys.getswitchinterval()

    works = [lambda number=number: work(number) for number in range(2)]
    assert list(beside.in_order(works, 2**30)) == [(0, "red"), (1, "red")]
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize("small", [False, True])
def test_a_cpu_and_a_small_device_take_one_after_the_other(monkeypatch, small):
    if small:
        monkeypatch.setattr(parallel, "on_cpu", lambda: False)
        monkeypatch.setattr(parallel, "device_bytes", lambda: 2**30)
    begun = []

    def work(number):
        begun.append((number, threading.current_thread()))
        return number

    results = beside.in_order([lambda number=number: work(number) for number in range(3)], 2**30)
    assert begun == [] and next(results) == 0
    assert begun == [(0, threading.main_thread())]
    assert list(results) == [1, 2]


def test_what_a_work_raises_is_raised_in_its_place(accelerator):
    def fails():
        raise ValueError("expected other rows")

    results = beside.in_order([lambda: 1, fails, lambda: 3], 2**30)
    assert next(results) == 1
    with pytest.raises(ValueError, match="expected other rows"):
        next(results)


@pytest.mark.parametrize("gpu", [True, False])
def test_kernels_are_tried_at_once_where_there_are_units_for_them(monkeypatch, gpu):
    tried = []
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: gpu)
    monkeypatch.setattr(precision, "_holds", lambda holds: tried.append((holds, threading.current_thread())))
    precision.try_kernels()
    assert len({holds for holds, _ in tried}) == (9 if gpu else 0)
    assert threading.main_thread() not in {thread for _, thread in tried}
