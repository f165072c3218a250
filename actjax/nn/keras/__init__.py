"""Reads Keras files and turns their weights into a network's variables."""
