"""Centred kernel alignment of the frame geometries of two images."""

import functools

import jax
import jax.numpy as jnp

from actjax.similarity.families import alignment
from actjax.similarity.families.frames import (
    double_centred,
    frame_products,
    squared_distances,
    u_centred,
    u_centred_products,
)
from actjax.similarity.families.vectors import Scaled, cosine_of, unit_scaled
from actjax.similarity.host.select import masked_median
from actjax.types import Context, Metric, Together

KERNELS = ("linear", "rbf")


def metric(*, kernel: str = "linear", debiased: bool = True, bandwidth: float = 1.0) -> Metric:
    """CKA of the frame-by-frame Gram matrices K = kernel(x), L = kernel(y).

        cka = <K', L'> / sqrt(<K', K'> <L', L'>)

    where ' is double centring (biased) or U-centring (debiased: zero diagonal, and the inner product is
    proportional to the unbiased estimate of HSIC). The two images may have different rows. Range [-1, 1]
    (biased: [0, 1]), 0 for unrelated geometries in expectation, NaN for constant frames, debiased also where
    all frames but one are alike, and for fewer than 16 valid frames. Short, autocorrelated clips are far
    from 0 by chance, debiased or not: read the score against the one of mismatched clips. Symmetric, one
    inner product of Gram matrices.

    It is blind to where in frequency the similarity lies, to delays, and to much of what sparse maps hold.
    See docs/measurements/metric_benchmark.md.

    Args:
      kernel: "linear" (inner products of frames) or "rbf" (Gaussian).
      debiased: takes the unbiased estimate of HSIC.
      bandwidth: the Gaussian's deviation, in medians of the distances between frames.

    Raises:
      ValueError: an unknown kernel or a bandwidth that is not positive.

    References: S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of neural network representations
    revisited", 2019; L. Song et al., "Feature selection via dependence maximization", 2012.
    """
    if kernel not in KERNELS:
        raise ValueError(f"cka expected kernel to be one of {KERNELS}, got {kernel!r}")
    if not bandwidth > 0:
        raise ValueError(f"cka expected a positive bandwidth, got {bandwidth}")
    prepare = functools.partial(_prepare, kernel=kernel, debiased=debiased, bandwidth=bandwidth)
    together = None
    if kernel == "linear" and debiased:
        prepare = _prepare_debiased
        together = Together(alignment.prepare, alignment.compare, alignment.numbers)
    return Metric(
        name="cka",
        prepare_x=prepare,
        prepare_y=prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("map",),
        range=(-1.0 if debiased else 0.0, 1.0, 0.0),
        reference="Kornblith et al. 2019; Song et al. 2012",
        invariant_to=("scale", "shift"),
        observes="image",
        compares="frames",
        signed=False,
        min_observations=16,
        options={"kernel": kernel, "debiased": debiased, "bandwidth": bandwidth},
        # First in the map view: it takes every feature, while metrics on cells need matching axes.
        order=1,
        together=together,
    )


def _prepare_debiased(values_ft: jax.Array, mask_t: jax.Array, context: Context) -> Scaled:
    return u_centred_products(values_ft, mask_t)


def _prepare(
    values_ft: jax.Array,
    mask_t: jax.Array,
    context: Context,
    *,
    kernel: str,
    debiased: bool,
    bandwidth: float,
) -> Scaled:
    if kernel == "linear":
        gram_tt = frame_products(values_ft, mask_t)
    else:
        squared_tt = squared_distances(values_ft, mask_t)
        off_diagonal = (mask_t[:, None] & mask_t[None, :]) & ~jnp.eye(mask_t.shape[0], dtype=bool)
        # The median of squares is the square of the median up to interpolation; take roots first.
        median = masked_median(jnp.sqrt(squared_tt).ravel(), off_diagonal.ravel())
        gram_tt = jnp.exp(-squared_tt / (2 * (bandwidth * median) ** 2))
    centre = u_centred if debiased else double_centred
    return unit_scaled(centre(gram_tt, mask_t).ravel())
