"""Choose on one half of the recordings, report on the other: sums in each clip, selection, effects, nulls."""
