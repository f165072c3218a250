"""Hand-crafted audio features, one per file: a wave in, a matrix rows x frames and its valid frames out."""

from actjax.features._batch import compute, feature

__all__ = ["compute", "feature"]
