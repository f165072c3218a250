"""Training under pmap: `loop.fit`, `loop.evaluate`, `loop.init_variables`."""
