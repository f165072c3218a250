"""Kernels for a GPU, written in Pallas; `actjax.precision` tries each before it is used."""
