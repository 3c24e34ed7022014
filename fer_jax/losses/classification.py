"""Losses of classifiers."""

import jax
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array, class_weights: jax.Array | None = None) -> jax.Array:
    """Mean softmax cross entropy. Logits (B, K) and class indices (B,) -> ().

    With class weights (K,) the mean is weighted by those of the labels, as PyTorch's CrossEntropyLoss does.

    >>> import jax.numpy as jnp
    >>> round(float(cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 3]))), 4)
    1.3863
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if class_weights is None:
        return losses.mean()
    weights = class_weights.astype(losses.dtype)[labels]
    return (weights * losses).sum() / weights.sum()
