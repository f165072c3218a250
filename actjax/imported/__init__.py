"""Networks taken from a Keras file in place of training: what they leave in a workdir, what they predict."""
