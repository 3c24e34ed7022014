"""Distances between pictures or features, as means over all elements."""

import jax
import jax.numpy as jnp


def l1(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean absolute difference (PyTorch's L1Loss).

    >>> float(l1(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])))
    1.5
    """
    return jnp.abs(prediction - target).mean()


def l2(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean squared difference (PyTorch's MSELoss; optax.l2_loss has a factor 1/2).

    >>> float(l2(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])))
    2.5
    """
    return jnp.square(prediction - target).mean()


def total_variation(pictures: jax.Array) -> jax.Array:
    """Mean absolute difference of neighbouring pixels, down and to the right. (B, H, W, C) -> ().

    >>> float(total_variation(jnp.array([[0.0, 1.0], [0.0, 1.0]])[None, :, :, None]))
    1.0
    """
    down, right = pictures[:, 1:] - pictures[:, :-1], pictures[:, :, 1:] - pictures[:, :, :-1]
    return jnp.abs(down).mean() + jnp.abs(right).mean()
