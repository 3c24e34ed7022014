"""Optimisers with PyTorch's conventions, and the compute precision."""

import jax.numpy as jnp
import optax

from fer_jax.errors import UsageError


def adam(lr: float, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    """PyTorch's Adam (eps 1e-8 outside the root, as optax has it).

    Raises:
      UsageError: the learning rate is not above 0.
    """
    if lr <= 0:
        raise UsageError(f"config.optim: a learning rate must be above 0, got {lr}")
    return optax.adam(lr, b1=b1, b2=b2, eps=1e-8)


def compute_dtype(precision: str) -> jnp.dtype | None:
    """Flax `dtype` for `config.precision`: bfloat16 computes in bfloat16; parameters and losses stay float32.

    Raises:
      UsageError: unknown precision.
    """
    dtypes = {"float32": None, "bfloat16": jnp.dtype(jnp.bfloat16)}
    if precision not in dtypes:
        raise UsageError(f"config.precision: {precision!r} is not one of {', '.join(dtypes)}")
    return dtypes[precision]
