import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.systems.byol.losses import negative_cosine


def test_lengths_do_not_count_and_zeros_are_no_nan():
    a = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    b = jnp.array([[3.0, 0.0], [5.0, 0.0]])
    np.testing.assert_allclose(negative_cosine(a, b), -0.5)
    np.testing.assert_allclose(negative_cosine(7 * a, 0.1 * b), -0.5, rtol=1e-6)
    assert np.isfinite(negative_cosine(jnp.zeros((1, 2)), b[:1]))
    grad = jax.grad(negative_cosine)(a, b)
    np.testing.assert_allclose((grad * a).sum(-1), 0, atol=1e-7)  # no pull along its own direction
