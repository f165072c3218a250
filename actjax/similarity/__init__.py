"""Similarity of all neurons with all features in one batched pass."""
