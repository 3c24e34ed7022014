"""One file a data set, named after it; its function `builder` returns a TFDS builder (see `fer_jax.data.registry`)."""
