"""What a GPU computes in another way than a CPU in features, by that way against the CPU's."""

import numpy as np
import pytest

from actjax.features import chroma_cens, spectral_rolloff


@pytest.mark.parametrize("window", [5, 41])
def test_smoothing_by_shifts(window):
    rng = np.random.default_rng(0)
    steps, weights = (rng.random(shape).astype(np.float32) for shape in ((3, 30), (window,)))
    expected = [np.convolve(row, weights)[window // 2 :][:30] for row in steps]
    np.testing.assert_allclose(chroma_cens._smoothed_by_shifts(steps, weights), expected, rtol=1e-5)
    np.testing.assert_allclose(chroma_cens._smoothed(steps, weights), expected, rtol=1e-5)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.85])
def test_blocks_of_a_running_sum(share):
    shape = np.random.default_rng(0).gamma(0.3, size=(9, 101)).astype(np.float32)
    shape[0, 20:] = 0.0
    expected = spectral_rolloff._first_reaching(shape, share)
    np.testing.assert_array_equal(spectral_rolloff._first_reaching_by_blocks(shape, share), expected)
