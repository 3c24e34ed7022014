"""GANmut: edits at a point of a learned space of expressions."""
