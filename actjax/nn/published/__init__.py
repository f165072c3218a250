"""Reads weights out of the packages that their makers publish, which need not be installed."""
