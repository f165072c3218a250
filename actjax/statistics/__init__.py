"""Which scores mean something: nulls, corrections, intervals, controls."""
