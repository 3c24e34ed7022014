"""DCGAN: faces of an expression from noise."""
