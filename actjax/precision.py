"""The one place that sets the precision of the matrix products behind every score."""

import jax

# TF32 and bfloat16 products move correlations in the third decimal; float32 costs time, not truth.
PRECISION = jax.lax.Precision.HIGHEST
