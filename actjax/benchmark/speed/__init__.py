"""The speed benchmark of the similarity kernel beside its peers."""
