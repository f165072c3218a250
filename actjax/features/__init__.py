"""Hand-crafted audio features: one file, one feature, pure jnp."""
