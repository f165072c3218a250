"""Benchmarks of speed and of the metrics themselves."""
