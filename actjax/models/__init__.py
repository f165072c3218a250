"""Flax networks that return their logits and the outputs of their layers."""
