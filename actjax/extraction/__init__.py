"""Computes many features of a wave in one program."""
