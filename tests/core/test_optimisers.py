import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fer_jax.core import optimisers as optim
from fer_jax.core import schedules as schedule
from fer_jax.core.errors import UsageError


def test_sgd_is_pytorchs():
    """g <- g + wd p; m <- mu m + g; p <- p - rate m, with the rate cut to a tenth every second step."""
    tx = optim.sgd(schedule.staircase(0.5, 0.1, 2), 0.9, 0.1)
    params, momentum = jnp.array([1.0, -2.0]), np.zeros(2)
    state, by_hand = tx.init(params), np.array([1.0, -2.0])
    for step in range(5):
        grad = jnp.array([0.3, 0.1]) * (step + 1)
        updates, state = jax.jit(tx.update)(grad, state, params)
        params = optax.apply_updates(params, updates)
        momentum = 0.9 * momentum + np.asarray(grad) + 0.1 * by_hand
        by_hand = by_hand - 0.5 * 0.1 ** (step // 2) * momentum
        np.testing.assert_allclose(params, by_hand, rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": -1}, {"momentum": 1}, {"momentum": -0.1}, {"weight_decay": -1}])
def test_values_out_of_range(wrong):
    with pytest.raises(UsageError, match="config.optim"):
        optim.sgd(**{"lr": 0.1, **wrong})


def test_adams_first_rate():
    """A constant gradient makes steps of the rate."""
    tx = optim.adam(0.25, first_lr=1.0, first_steps=2)
    params = jnp.zeros(())
    state, steps = tx.init(params), []
    for _ in range(4):
        updates, state = tx.update(jnp.ones(()), state, params)
        steps.append(float(-updates))
    np.testing.assert_allclose(steps, [1, 1, 0.25, 0.25], rtol=1e-4)
    with pytest.raises(UsageError, match="above 0, got -1"):
        optim.adam(0.1, first_lr=-1.0)
