import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.nn import layers


def plain_norm(x, scale, shift, epsilon):
    centred = x - x.mean((0, 1, 2))
    return centred / jnp.sqrt((centred**2).mean((0, 1, 2)) + epsilon) * scale + shift


def test_batch_norm_derivatives_of_both_orders():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, scale, shift = (jnp.asarray(rng.normal(size=s)) for s in ((2, 4, 3, 5), (5,), (5,)))
        weight = jnp.asarray(rng.normal(size=x.shape))

        def both(norm):
            first = jax.grad(lambda *a: jnp.sum(jnp.sin(norm(*a)) * weight), (0, 1, 2))
            second = jax.grad(lambda *a: sum(jnp.sum(jnp.cos(g)) for g in first(*a)), (0, 1, 2))
            return [norm(x, scale, shift), *first(x, scale, shift), *second(x, scale, shift)]

        ours = both(lambda *a: layers._batch_norm(*a, 1e-3)[0])
        for value, expected in zip(ours, both(lambda *a: plain_norm(*a, 1e-3)), strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-10)


@pytest.mark.parametrize("size", [6, 7])
def test_average_pool_leaves_the_rest_out(size):
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    pooled = layers.average_pool(jnp.asarray(x), 2)
    assert pooled.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(pooled[:, 1, 2], x[:, 2:4, 4:6].mean((1, 2)), rtol=1e-5)


def test_global_max_and_its_gradient():
    x = jnp.array([[[1.0, 5.0], [3.0, 5.0]], [[3.0, -2.0], [0.0, 4.0]]])[None]
    np.testing.assert_array_equal(layers.global_max(x), [[3, 5]])
    grad = jax.grad(lambda x: (layers.global_max(x) * jnp.array([1.0, 10.0])).sum())(x)
    expected = np.zeros((1, 2, 2, 2))
    expected[0, 0, 1, 0], expected[0, 0, 0, 1] = 1, 10  # of equal values the first
    np.testing.assert_array_equal(grad, expected)
    np.testing.assert_array_equal(layers.global_max(jnp.full((1, 2, 2, 1), -jnp.inf)), [[-jnp.inf]])


def test_max_pool_loses_no_gradient_where_its_input_is_computed_anew():
    """Compiled with what comes before it, the pool's input is rounded differently in the derivative.

    A pool that looks for the maxima there once more misses some: it lost up to 5 % of this gradient.
    """
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 56, 56, 64)), jnp.float32)
    weight = jnp.linspace(0.5, 1.5, 2 * 28 * 28 * 64).reshape(2, 28, 28, 64)

    def total(shift):  # all maxima are above 0, so each passes its weight on to the shift
        y, _, _ = layers._batch_norm(x, jnp.linspace(0.5, 1.5, 64), shift, 1e-5)
        return (layers.max_pool(jax.nn.relu(y), 3, 2, 1) * weight).sum()

    grad = jax.jit(jax.grad(total))(jnp.full(64, 5.0))
    np.testing.assert_allclose(grad, weight.sum((0, 1, 2)), rtol=1e-5)
