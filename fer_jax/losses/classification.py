"""Losses of classifiers."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array, class_weights: jax.Array | None = None) -> jax.Array:
    """Mean softmax cross entropy. Logits (B, K) and class indices (B,) -> ().

    With class weights (K,) the mean is weighted by those of the labels, as PyTorch's CrossEntropyLoss does.

    >>> round(float(cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 3]))), 4)
    1.3863
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if class_weights is None:
        return losses.mean()
    weights = class_weights.astype(losses.dtype)[labels]
    return (weights * losses).sum() / weights.sum()


def symmetric_kl(logits: jax.Array, others: jax.Array) -> jax.Array:
    """KL(p || q) + KL(q || p) of the softmax of both logits (B, K), mean over the batch.

    >>> round(float(symmetric_kl(jnp.log(jnp.array([[0.75, 0.25]])), jnp.zeros((1, 2)))), 4)
    0.2747
    """
    log_p, log_q = jax.nn.log_softmax(logits), jax.nn.log_softmax(others)
    return ((jnp.exp(log_p) - jnp.exp(log_q)) * (log_p - log_q)).sum(1).mean()
