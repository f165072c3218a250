"""Similarity metrics, one file each: `metric(**options)` returns a `types.Metric`."""
