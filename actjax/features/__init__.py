"""Hand-crafted audio features, one file each: `feature(**options)` returns a `types.Feature`."""
