"""Adversarial losses of critics and generators. Values are (B,), raw: what a critic says before any sigmoid."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

Critic = Callable[[jax.Array], jax.Array]  # pictures (B, H, W, C) -> values (B,)


def wasserstein_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Mean of the fakes' values - mean of the reals' (Arjovsky et al., 2017).

    >>> float(wasserstein_critic(jnp.array([2.0, 4.0]), jnp.array([1.0])))
    -2.0
    """
    return fake.mean() - real.mean()


def wasserstein_generator(fake: jax.Array) -> jax.Array:
    """- mean of the fakes' values.

    >>> float(wasserstein_generator(jnp.array([1.0, 2.0])))
    -1.5
    """
    return -fake.mean()


def gradient_norms(critic: Critic, x: jax.Array) -> jax.Array:
    """L2 norm, over all pixels and channels of a picture, of the critic's derivative by it. (B, H, W, C) -> (B,).

    The norm's own derivative is 0 where the norm is 0 (it is infinite otherwise): a critic that says the same of all
    pictures stays finite.
    """
    squares = _squared_norms(critic, x)
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)


def _squared_norms(critic: Critic, x: jax.Array) -> jax.Array:
    grads = jax.grad(lambda pictures: critic(pictures).sum())(x)
    return jnp.square(grads).sum(tuple(range(1, grads.ndim)))


def r1_penalty(critic: Critic, real: jax.Array) -> jax.Array:
    """1/2 mean over real pictures (B, H, W, C) of the squared gradient norm (Mescheder et al., 2018, R1)."""
    return _squared_norms(critic, real).mean() / 2


def gradient_penalty(
    critic: Critic, real: jax.Array, fake: jax.Array, mix: jax.Array, *, target: float = 1.0
) -> jax.Array:
    """WGAN-GP's penalty, two-sided: mean over pictures of (gradient norm - target)^2 (Gulrajani et al., 2017, eq. 3).

    Args:
      critic: must judge every picture by itself (no batch norm).
      real: (B, H, W, C).
      fake: (B, H, W, C).
      mix: share of the fake in each mixed picture, (B, 1, 1, 1) in [0, 1].
      target: the norm wanted.
    """
    return jnp.square(gradient_norms(critic, mix * fake + (1 - mix) * real) - target).mean()


def non_saturating_critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """- mean log sigmoid(real) - mean log sigmoid(-fake) (Goodfellow et al., 2014).

    >>> round(float(non_saturating_critic(jnp.zeros(3), jnp.zeros(2))), 4)
    1.3863
    """
    return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()


def non_saturating_generator(fake: jax.Array) -> jax.Array:
    """- mean log sigmoid(fake).

    >>> round(float(non_saturating_generator(jnp.zeros(2))), 4)
    0.6931
    """
    return jax.nn.softplus(-fake).mean()


def binary_cross_entropy(values: jax.Array, target: jax.Array | float) -> jax.Array:
    """Mean cross entropy of sigmoid(values) with targets in [0, 1].

    >>> round(float(binary_cross_entropy(jnp.zeros(2), 1.0)), 4)
    0.6931
    """
    return optax.sigmoid_binary_cross_entropy(values, jnp.broadcast_to(target, values.shape)).mean()


def least_squares(values: jax.Array, target: jax.Array | float) -> jax.Array:
    """Mean squared difference, without a factor 1/2 (Mao et al., 2017, has one).

    >>> float(least_squares(jnp.array([1.0, 3.0]), 1.0))
    2.0
    """
    return jnp.square(values - target).mean()


class Adversarial(NamedTuple):
    """The critic's loss of its values (B,) of real and fake pictures, and the generator's of its fakes'."""

    critic: Callable[[jax.Array, jax.Array], jax.Array]
    gen: Callable[[jax.Array], jax.Array]


def _together(loss: Callable[[jax.Array, jax.Array | float], jax.Array]) -> Adversarial:
    """Real and fake in one batch, each picture with the same weight."""

    def critic(real: jax.Array, fake: jax.Array) -> jax.Array:
        targets = jnp.concatenate([jnp.ones_like(real), jnp.zeros_like(fake)])
        return loss(jnp.concatenate([real, fake]), targets)

    return Adversarial(critic, lambda fake: loss(fake, 1.0))


ADVERSARIAL = {  # by name; the last one sees values through a sigmoid
    "wasserstein_gp": Adversarial(wasserstein_critic, wasserstein_generator),
    "non_saturating": Adversarial(non_saturating_critic, non_saturating_generator),
    "bce": _together(binary_cross_entropy),
    "least_squares": _together(lambda values, target: least_squares(jax.nn.sigmoid(values), target)),
}
