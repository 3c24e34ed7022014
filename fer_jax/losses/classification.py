"""Losses of classifiers."""

import jax
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean softmax cross entropy. Logits (B, K) and class indices (B,) -> ().

    >>> import jax.numpy as jnp
    >>> round(float(cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 3]))), 4)
    1.3863
    """
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
