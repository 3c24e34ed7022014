"""Optimisers with PyTorch's conventions, and the compute precision."""

from typing import Any, Literal, NoReturn

import jax.numpy as jnp
import optax

from fer_jax.core import schedules
from fer_jax.core.config import OptimiserConfig
from fer_jax.core.errors import UsageError


def _no_update(*_: Any) -> NoReturn:
    raise RuntimeError("this system was built without optimisers, to be used and not trained")


NO_OPTIMISER = optax.GradientTransformation(lambda params: (), _no_update)


def adam(
    lr: float | optax.Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    *,
    weight_decay: float = 0.0,
    first_lr: float | None = None,
    first_steps: int = 0,
    share: optax.Schedule | None = None,
) -> optax.GradientTransformation:
    """PyTorch's Adam (eps 1e-8 outside the root, as optax has it): weight decay is added to the gradient.

    The first `first_steps` updates have the rate `first_lr`, if one is given. `share` is what is left of the rate,
    by the number of updates.

    Raises:
      UsageError: the learning rate is not above 0, or the weight decay is below.
    """
    _check(lr, weight_decay)
    if first_lr is not None and first_lr <= 0:
        raise UsageError(f"config.optim: a learning rate must be above 0, got {first_lr}")
    if first_lr and first_steps:
        if callable(lr):
            raise ValueError("adam: first_lr goes with a constant rate")
        lr = optax.piecewise_constant_schedule(first_lr, {first_steps: lr / first_lr})
    steps = optax.adam(lr, b1=b1, b2=b2, eps=1e-8)
    if share is not None:
        steps = optax.chain(steps, optax.scale_by_schedule(share))
    return optax.chain(optax.add_decayed_weights(weight_decay), steps) if weight_decay else steps


def sgd(
    lr: float | optax.Schedule, momentum: float = 0.9, weight_decay: float = 0.0, *, nesterov: bool = False
) -> optax.GradientTransformation:
    """PyTorch's SGD: g += weight_decay * p; m = momentum * m + g; p -= rate * m.

    No dampening; weight decay falls on every parameter.

    Raises:
      UsageError: a value out of range.
    """
    _check(lr, weight_decay)
    if not 0 <= momentum < 1:
        raise UsageError(f"config.optim: momentum must be in [0, 1), got {momentum}")
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(lr, momentum or None, nesterov))


def build(config: OptimiserConfig, total_steps: int, steps_per_epoch: int) -> optax.GradientTransformation:
    """The optimiser and schedule of a config.

    The rate falls to 0 along half a cosine ("cosine": changing once an epoch as published; "cosine_steps": with every
    step), by steps of a factor ("step"), or not ("constant").

    Raises:
      UsageError: a value out of range.
    """
    epoch = max(steps_per_epoch, 1)
    lr: float | optax.Schedule = config.lr
    if config.schedule in ("cosine", "cosine_steps"):
        every = epoch if config.schedule == "cosine" else 1
        lr = schedules.cosine(config.lr, total_steps, every=every, warm_up=round(config.warm_up_epochs * epoch))
    elif config.schedule == "step":
        lr = schedules.staircase(config.lr, config.decay, config.decay_epochs * epoch)
    if config.kind == "adam":
        return adam(lr, weight_decay=config.weight_decay)
    return sgd(lr, config.momentum, config.weight_decay, nesterov=config.momentum > 0)


def _check(lr: float | optax.Schedule, weight_decay: float) -> None:
    if not callable(lr) and lr <= 0:
        raise UsageError(f"config.optim: a learning rate must be above 0, got {lr}")
    if weight_decay < 0:
        raise UsageError(f"config.optim: weight_decay must not be below 0, got {weight_decay}")


def compute_dtype(precision: Literal["float32", "bfloat16"]) -> jnp.dtype | None:
    """Flax `dtype` for `config.precision`: bfloat16 computes in bfloat16; parameters and losses stay float32."""
    return jnp.dtype(jnp.bfloat16) if precision == "bfloat16" else None
