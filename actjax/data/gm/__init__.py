"""Renders clips of real sampled instruments: scenes, scores, voices."""
