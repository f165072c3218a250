"""Accumulators: what metrics keep of batches of observations."""
