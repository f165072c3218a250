"""Activations, features and truths that come from files."""
