"""Holds named units against what their names promise, written down before anything was scored."""
