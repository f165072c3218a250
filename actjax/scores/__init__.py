"""The table of scores: its schema, writing and reading it."""
