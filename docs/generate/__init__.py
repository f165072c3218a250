"""Generates the pages of the reference, and the pictures of the documentation, from the package itself."""
