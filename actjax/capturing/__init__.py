"""Activations of networks from anywhere, with the place of every frame measured on the network itself."""
