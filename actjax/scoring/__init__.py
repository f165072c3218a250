"""Scores a run: its plan, the one pass over clips, nulls, rows of the table."""
