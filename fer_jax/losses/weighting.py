"""Sums of loss terms."""

import functools
import operator
from collections.abc import Mapping

import jax


def weighted_sum(terms: Mapping[str, jax.Array], weights: Mapping[str, float]) -> jax.Array:
    """The sum of weight * term over `terms`, scalars, in their order; a term without a weight weighs 1.

    >>> weighted_sum({"real": jax.numpy.array(2.0), "rec": jax.numpy.array(3.0)}, {"rec": 10.0}).item()
    32.0
    """
    return functools.reduce(operator.add, (weights.get(name, 1.0) * term for name, term in terms.items()))
