"""Loss functions: arrays in, arrays out. What optax has is taken from optax."""
