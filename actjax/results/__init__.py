"""What a run left, for Python and notebooks: tables, neurons, pictures and the sounds that drive them."""
