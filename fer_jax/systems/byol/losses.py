"""The loss of BYOL."""

import jax
import jax.numpy as jnp

_EPSILON = 1e-8  # PyTorch's, below which a product of lengths counts as this


def negative_cosine(predictions: jax.Array, targets: jax.Array) -> jax.Array:
    """Minus the mean cosine of predictions and targets, (B, E) each -> () (Grill et al., equation 2, up to a constant).

    >>> float(negative_cosine(jnp.array([[3.0, 4.0]]), jnp.array([[6.0, 8.0]])))
    -1.0
    """
    lengths = jnp.linalg.norm(predictions, axis=-1) * jnp.linalg.norm(targets, axis=-1)
    return -((predictions * targets).sum(-1) / jnp.maximum(lengths, _EPSILON)).mean()
