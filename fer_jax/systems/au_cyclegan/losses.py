"""How far predicted action units are from the true ones: (B, A) twice -> (), means over all elements."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from fer_jax.losses.adversarial import binary_cross_entropy
from fer_jax.losses.reconstruction import l1, l2


def log_mae(prediction: jax.Array, target: jax.Array, *, most: float = 1 - 1e-7) -> jax.Array:
    """- mean log(1 - |prediction - target|), the difference held in [0, `most`] (e4 of the reference).

    Both are in [0, 1]. A difference of 1 costs 16.1 (15.9 in float32); beyond `most` the gradient is 0.

    >>> round(float(log_mae(jnp.array([[0.25, 1.0]]), jnp.array([[0.75, 1.0]]))), 4)
    0.3466
    """
    return -jnp.log1p(-jnp.clip(jnp.abs(prediction - target), 0, most)).mean()


# What a critic predicts, raw, is probabilities after a sigmoid in the first and the last, and the AUs themselves in
# the others. name -> loss of raw predictions and targets.
AU_LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "bce": binary_cross_entropy,
    "l1": l1,
    "mse": l2,
    "log_mae": lambda raw, target: log_mae(jax.nn.sigmoid(raw), target),
}
WITH_SIGMOID = ("bce", "log_mae")


def read(raw: jax.Array, loss: str) -> jax.Array:
    """The AUs that raw predictions stand for, given the name of the loss that they were trained with."""
    return jax.nn.sigmoid(raw) if loss in WITH_SIGMOID else raw
