"""Activations of every neuron, and the views that make them comparable with features."""
