"""Training under pmap: state, step, loop, checkpoints."""
