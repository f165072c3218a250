"""Data sets on disk: building them, and loading their clips."""
