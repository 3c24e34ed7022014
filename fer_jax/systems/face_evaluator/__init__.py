"""The network that scores edited faces: action units, expression and identity."""
