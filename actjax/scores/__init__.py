"""Writes and reads the table of scores."""
