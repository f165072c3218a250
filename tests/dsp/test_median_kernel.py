"""Running medians as a GPU's kernel takes them, step by step on a CPU."""

import jax
import numpy as np
import pytest
import scipy.ndimage

from actjax import dsp, precision
from actjax.kernels import running_median


@pytest.fixture
def emulated(as_beside_a_gpu, monkeypatch):
    monkeypatch.setattr(precision, "kernel_medians", lambda: True)


# A long window; an axis shorter than it and than a thread's four medians; threads of two programs.
@pytest.mark.parametrize("window, axis, shape", [(17, 0, (40, 9)), (5, 0, (3, 2)), (7, 1, (30, 41))])
def test_kernel_is_exact(emulated, window, axis, shape):
    clips = np.random.default_rng(0).gamma(1.0, size=(2, *shape)).astype(np.float32)
    clips[clips < 0.3] = 0.0
    size = (1, window, 1) if axis == 0 else (1, 1, window)
    of_clips = jax.jit(jax.vmap(lambda x: dsp.running_median(x, window, axis)))
    expected = scipy.ndimage.median_filter(clips, size=size, mode="reflect")
    np.testing.assert_array_equal(of_clips(clips), expected)


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert running_median.holds.__wrapped__()
    monkeypatch.setattr(running_median, "running_medians", lambda x, window, axis: x)
    assert not running_median.holds.__wrapped__()
