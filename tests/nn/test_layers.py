import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jax import lax

from fer_jax.nn import layers


def reference_norm(x, scale, shift, epsilon):
    centred = x - x.mean((1, 2), keepdims=True)
    return centred * lax.rsqrt((centred**2).mean((1, 2), keepdims=True) + epsilon) * scale + shift


def test_instance_norm_derivatives_of_both_orders():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, scale, shift = (jnp.asarray(rng.normal(size=s)) for s in ((2, 4, 3, 5), (5,), (5,)))
        weight = jnp.asarray(rng.normal(size=x.shape))

        def both(norm):
            first = jax.grad(lambda *a: jnp.sum(jnp.sin(norm(*a, 1e-3)) * weight), (0, 1, 2))
            second = jax.grad(lambda *a: sum(jnp.sum(jnp.cos(g)) for g in first(*a)), (0, 1, 2))
            return [norm(x, scale, shift, 1e-3), *first(x, scale, shift), *second(x, scale, shift)]

        for ours, expected in zip(both(layers._instance_norm), both(reference_norm), strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_instance_norm_of_one_pixel_is_its_shift_with_zero_gradient():
    x = jnp.array([[[[3.0, -2.0]]]])
    norm = layers.InstanceNorm(affine=True)
    params = {"params": {"scale": jnp.array([2.0, 3.0]), "bias": jnp.array([0.5, -1.0])}}
    np.testing.assert_array_equal(norm.apply(params, x).ravel(), [0.5, -1.0])
    np.testing.assert_array_equal(jax.grad(lambda x: norm.apply(params, x).sum())(x), 0)


def test_batch_norm_stores_the_unbiased_variance():
    x = jnp.array([[1.0], [2.0], [6.0]])  # mean 3, biased variance 14/3, unbiased 7
    norm = layers.BatchNorm()
    variables = norm.init(jax.random.key(0), x, train=True)
    y, updated = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(y.ravel(), (np.array([1, 2, 6]) - 3) / np.sqrt(14 / 3 + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(updated["batch_stats"]["mean"], [0.3], rtol=1e-6)
    np.testing.assert_allclose(updated["batch_stats"]["var"], [0.9 + 0.7], rtol=1e-6)
    still = norm.apply({**variables, **updated}, x, train=False)
    np.testing.assert_allclose(still.ravel(), (np.array([1, 2, 6]) - 0.3) / np.sqrt(1.6 + 1e-5), rtol=1e-6)


def brute_pool(x, window, stride, padding, ceil_mode):
    size = x.shape[0]
    span = size + 2 * padding - window
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    at = lambda i: slice(max(i * stride - padding, 0), min(i * stride - padding + window, size))  # noqa: E731
    return np.array([[x[at(i), at(j)].max() for j in range(out)] for i in range(out)])


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"),
    [(8, 3, 2, 0), (7, 3, 2, 0), (7, 3, 2, 1), (5, 2, 2, 0), (9, 3, 3, 1), (4, 2, 3, 1)],
)
def test_max_pool(size, window, stride, padding, ceil_mode):
    x = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    pool = lambda x: layers.max_pool(x, window, stride, padding, ceil_mode=ceil_mode)  # noqa: E731
    pooled = pool(jnp.asarray(x)[None, :, :, None])
    expected = brute_pool(x, window, stride, padding, ceil_mode)
    np.testing.assert_array_equal(pooled[0, :, :, 0], expected)
    weights = jnp.arange(1.0, expected.size + 1).reshape(pooled.shape)
    grad = jax.grad(lambda x: (pool(x) * weights).sum())(jnp.asarray(x)[None, :, :, None])[0, :, :, 0]
    by_hand = np.zeros_like(x)
    for value, weight in zip(expected.ravel(), np.asarray(weights).ravel(), strict=True):
        by_hand[x == value] += weight
    np.testing.assert_allclose(grad, by_hand, rtol=1e-6)


def test_max_pool_gives_the_gradient_of_equal_values_to_the_first():
    grad = jax.grad(lambda x: layers.max_pool(x, 2, 2).sum())(jnp.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(grad.ravel(), [1, 0, 0, 0])


def test_default_initialisation_is_pytorchs():
    """Uniform in +-1/sqrt(fan_in); a transposed convolution counts its output channels."""
    x = jnp.zeros((1, 8, 8, 16))
    cases = [
        (layers.Conv(64, 3), "kernel", 1 / np.sqrt(16 * 9)),
        (layers.ConvTranspose(64, 4, stride=2, padding=1), "transposed_kernel", 1 / np.sqrt(64 * 16)),
    ]
    for layer, name, bound in cases:
        params = layer.init(jax.random.key(0), x)["params"]
        assert 0.98 * bound < jnp.abs(params[name]).max() <= bound
        assert 0.8 * bound < jnp.abs(params["bias"]).max() <= bound


def test_flatten_is_in_channel_row_column_order():
    x = jnp.arange(12.0).reshape(1, 2, 3, 2)
    np.testing.assert_array_equal(layers.flatten_channels_first(x)[0], [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])


def test_signatures_are_checked():
    """By the import hook that pyproject.toml asks for, in tests only."""
    with pytest.raises(jaxtyping.TypeCheckError):
        layers.flatten_channels_first(jnp.zeros((2, 3)))
