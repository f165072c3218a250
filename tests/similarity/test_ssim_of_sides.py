"""ssim of whole sides, as a CPU computes it, against its form for one pair."""

import dataclasses

import jax
import numpy as np
import pytest

from actjax.similarity import tiles
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import clip_scores, pairwise

# Compiled as users do.
pytestmark = pytest.mark.usefixtures("optimised")


@pytest.mark.parametrize("options", [{}, {"window": "gaussian"}, {"size": 3, "k1": 0.1}])
@pytest.mark.parametrize("n, k, f, t", [(5, 3, 24, 90), (40, 4, 6, 86), (1, 1, 3, 3), (7, 2, 11, 300)])
def test_both_forms_are_equal(options, n, k, f, t, monkeypatch):
    """In one tile and in many, the last of which overlap; constants and masked frames included."""
    rng = np.random.default_rng(0)
    x = rng.random((2, n, f, t), np.float32) ** 3
    y = np.repeat(x[:, :1], k, 1) + rng.random((2, k, f, t), np.float32)
    x[0, n // 2] = 2.0
    mask = np.arange(t)[None, :] < np.array([[t], [max(3, t - 4)]])
    metric = make_metric("ssim", **options)
    apart = clip_scores(dataclasses.replace(metric, together=None), x, y, mask)["score"]
    # One tile, tiles of two neurons, of some images, and of one pair.
    for tile_bytes in (tiles.IMAGE_TILE_BYTES, *(12 * rows * f * t for rows in (k, k - 1)), 1):
        monkeypatch.setattr(tiles, "IMAGE_TILE_BYTES", tile_bytes)
        found = clip_scores(metric, x, y, mask, tile_bytes=tile_bytes)["score"]
        np.testing.assert_array_equal(np.isnan(found), np.isnan(apart))
        np.testing.assert_allclose(found, apart, rtol=0, atol=2e-6)
    assert np.isnan(apart[0, n // 2]).all() and (n == 1 or not np.isnan(apart).all())


def test_an_image_with_itself_is_one():
    images = np.random.default_rng(1).random((9, 20, 64), np.float32)
    found = pairwise(make_metric("ssim"), images, images)["score"]
    np.testing.assert_allclose(np.diagonal(found), 1, atol=1e-6)
    assert np.triu(found, 1).max() < 0.5


def test_many_images_are_taken_in_tiles():
    """Beyond what is prepared, of three arrays as large as the images, a program holds little."""
    x, y = np.ones((3, 32, 200), np.float32), np.ones((400, 32, 200), np.float32)
    program = jax.jit(lambda x, y: pairwise(make_metric("ssim"), x, y)["score"])
    held = program.lower(x, y).compile().memory_analysis().temp_size_in_bytes
    assert held < 4 * y.nbytes
