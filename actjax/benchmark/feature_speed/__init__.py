"""The speed benchmark of features beside their peers."""
