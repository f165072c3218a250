"""Blocks of networks, their front end, and weights from elsewhere."""
