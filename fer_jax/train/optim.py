"""Optimisers with PyTorch's conventions, and the compute precision."""

import jax.numpy as jnp
import optax

from fer_jax.errors import UsageError


def adam(
    lr: float, b1: float = 0.9, b2: float = 0.999, *, first_lr: float = 0.0, first_steps: int = 0
) -> optax.GradientTransformation:
    """PyTorch's Adam (eps 1e-8 outside the root, as optax has it).

    The first `first_steps` updates have the rate `first_lr` where that is above 0.

    Raises:
      UsageError: the learning rate is not above 0.
    """
    if lr <= 0 or first_lr < 0:
        raise UsageError(f"config.optim: a learning rate must be above 0, got {lr if lr <= 0 else first_lr}")
    rate: float | optax.Schedule = lr
    if first_lr and first_steps:
        rate = optax.piecewise_constant_schedule(first_lr, {first_steps: lr / first_lr})
    return optax.adam(rate, b1=b1, b2=b2, eps=1e-8)


def sgd(
    lr: float, momentum: float = 0.9, weight_decay: float = 0.0, *, decay: float = 1.0, decay_every: int = 0
) -> optax.GradientTransformation:
    """PyTorch's SGD with StepLR: g += weight_decay * p; m = momentum * m + g; p -= rate * m.

    No dampening, no Nesterov; weight decay falls on every parameter. The rate is lr * decay^(step // decay_every), with
    `decay_every` in steps (0 = it stays).

    Raises:
      UsageError: a value out of range.
    """
    if lr <= 0 or decay <= 0:
        raise UsageError(f"config.optim: lr and decay must be above 0, got {lr} and {decay}")
    if not 0 <= momentum < 1 or weight_decay < 0:
        raise UsageError(
            f"config.optim: momentum must be in [0, 1) and weight_decay >= 0, got {momentum} and {weight_decay}"
        )
    rate: float | optax.Schedule = lr
    if decay_every and decay != 1:
        rate = optax.exponential_decay(lr, decay_every, decay, staircase=True)
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum or None))


def compute_dtype(precision: str) -> jnp.dtype | None:
    """Flax `dtype` for `config.precision`: bfloat16 computes in bfloat16; parameters and losses stay float32.

    Raises:
      UsageError: unknown precision.
    """
    dtypes = {"float32": None, "bfloat16": jnp.dtype(jnp.bfloat16)}
    if precision not in dtypes:
        raise UsageError(f"config.precision: {precision!r} is not one of {', '.join(dtypes)}")
    return dtypes[precision]
