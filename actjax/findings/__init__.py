"""The four findings: the trained network's best units less their strongest control."""
