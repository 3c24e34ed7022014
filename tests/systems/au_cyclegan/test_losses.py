import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.systems.au_cyclegan.losses import AU_LOSSES, log_mae, read

RAW, TRUE = jnp.array([[0.0, 2.0], [-1.0, 0.5]]), jnp.array([[1.0, 0.0], [0.25, 0.5]])


def test_worked_values():
    p = 1 / (1 + np.exp(-np.asarray(RAW, np.float64)))
    true = np.asarray(TRUE, np.float64)
    expected = {
        "bce": -(true * np.log(p) + (1 - true) * np.log(1 - p)).mean(),
        "l1": (1 + 2 + 1.25 + 0) / 4,
        "mse": (1 + 4 + 1.5625 + 0) / 4,
        "log_mae": -np.log(1 - np.abs(p - true)).mean(),
    }
    assert {name: float(loss(RAW, TRUE)) for name, loss in AU_LOSSES.items()} == pytest.approx(expected, rel=1e-5)


def test_log_mae_of_a_wrong_prediction_is_bounded_and_has_no_gradient():
    with jax.enable_x64(True):
        value, grad = jax.value_and_grad(log_mae)(jnp.ones((1, 2)), jnp.zeros((1, 2)))
        assert float(value) == pytest.approx(-np.log(1e-7)) and not grad.any()
    value, grad = jax.value_and_grad(log_mae)(jnp.ones((1, 2)), jnp.zeros((1, 2)))  # float32
    assert 15 < value < 17 and not grad.any()
    assert log_mae(TRUE, TRUE) == 0


def test_what_raw_predictions_stand_for():
    np.testing.assert_array_equal(read(RAW, "l1"), RAW)
    np.testing.assert_array_equal(read(RAW, "mse"), RAW)
    for name in ("bce", "log_mae"):
        np.testing.assert_allclose(read(RAW, name), jax.nn.sigmoid(RAW))
        right = jax.scipy.special.logit(jnp.clip(TRUE, 0.01, 0.99))
        assert AU_LOSSES[name](right, TRUE) < AU_LOSSES[name](RAW, TRUE)
