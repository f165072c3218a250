"""Data sets as TFDS builders, and the loader that feeds them."""
