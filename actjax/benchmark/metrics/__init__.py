"""The benchmark of the metrics themselves: label checks, planted neurons, interventions."""
