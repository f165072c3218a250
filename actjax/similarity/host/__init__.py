"""Ranks and order statistics on the host, where a CPU is faster than XLA."""
