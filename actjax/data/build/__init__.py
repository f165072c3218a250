"""Builds a data set: examples in worker processes, records, shards and their index."""
