"""Takes networks from Keras files in place of training: keeps them in a workdir, and predicts with them."""
