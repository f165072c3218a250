"""What a network loses without one neuron: changes of its loss and outputs on held-out clips."""
