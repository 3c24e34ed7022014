"""Losses of classifiers."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(
    logits: jax.Array, labels: jax.Array, class_weights: jax.Array | None = None, *, smoothing: float = 0.0
) -> jax.Array:
    """Mean softmax cross entropy. Logits (B, K) and class indices (B,) -> ().

    With class weights (K,) the mean is weighted by those of the labels, as PyTorch's CrossEntropyLoss does. `smoothing`
    is the share of the probability that goes to all classes alike.

    >>> round(float(cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 3]))), 4)
    1.3863
    """
    if smoothing:
        wanted = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype), smoothing)
        losses = optax.softmax_cross_entropy(logits, wanted)
    else:
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if class_weights is None:
        return losses.mean()
    weights = class_weights.astype(losses.dtype)[labels]
    return (weights * losses).sum() / weights.sum()


def vote_cross_entropy(logits: jax.Array, votes: jax.Array) -> jax.Array:
    """Mean cross entropy with the shares of votes (B, V), over the pictures that have any. Logits (B, V) -> ().

    FER+'s "probability" (Barsoum et al., ICMI 2016, equation 3). 0 where no picture has a vote.

    >>> round(float(vote_cross_entropy(jnp.zeros((2, 4)), jnp.array([[5, 5, 0, 0], [0, 0, 0, 0]]))), 4)
    1.3863
    """
    votes = votes.astype(logits.dtype)
    total = votes.sum(-1)
    there = total > 0
    losses = optax.softmax_cross_entropy(logits, votes / jnp.where(there, total, 1)[:, None])
    return jnp.where(there, losses, 0).sum() / jnp.maximum(there.sum(), 1)


def symmetric_kl(logits: jax.Array, others: jax.Array) -> jax.Array:
    """KL(p || q) + KL(q || p) of the softmax of both logits (B, K), mean over the batch.

    >>> round(float(symmetric_kl(jnp.log(jnp.array([[0.75, 0.25]])), jnp.zeros((1, 2)))), 4)
    0.2747
    """
    log_p, log_q = jax.nn.log_softmax(logits), jax.nn.log_softmax(others)
    return ((jnp.exp(log_p) - jnp.exp(log_q)) * (log_p - log_q)).sum(1).mean()
