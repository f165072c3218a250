"""The shelf of data sets: one file makes one TFDS builder."""
