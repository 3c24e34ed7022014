"""DCGAN's networks beyond the parity fixtures: sizes, classes, spectral norm, initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.systems.dcgan.networks import Discriminator, Generator, SpectralConv


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (48, 1), (64, 3), (96, 3)])
@pytest.mark.parametrize("classes", [0, 5])
def test_sizes(size, channels, classes):
    gen, disc = Generator(size, channels, 4, classes), Discriminator(4, classes)
    z, labels = jnp.zeros((2, 10)), jnp.zeros(2, jnp.int32)
    key = jax.random.key(0)
    drawn = jax.eval_shape(lambda: gen.init_with_output(key, z, labels, train=False)[0])
    assert drawn.shape == (2, size, size, channels)
    x = jnp.zeros(drawn.shape)
    assert jax.eval_shape(lambda: disc.init_with_output(key, x, labels, train=False)[0]).shape == (2,)


def test_initialisation():
    gen = Generator(width=32)
    params = jax.jit(lambda key: gen.init(key, jnp.zeros((1, 100)), train=False))(jax.random.key(0, impl="unsafe_rbg"))[
        "params"
    ]
    kernel, scale = np.asarray(params["main_3"]["transposed_kernel"]), np.asarray(params["main_4"]["scale"])
    assert abs(kernel.std() - 0.02) < 1e-3 and abs(kernel.mean()) < 1e-3
    assert abs(scale.mean() - 1) < 0.01 and 0.01 < scale.std() < 0.03
    assert (params["main_4"]["bias"] == 0).all()


def test_only_conditional_networks_see_the_class():
    x, z = jax.random.uniform(jax.random.key(0), (4, 16, 16, 1)), jax.random.normal(jax.random.key(1), (4, 8))
    one, other = jnp.zeros(4, jnp.int32), jnp.ones(4, jnp.int32)
    for classes in (0, 3):
        for module, given in ((Generator(16, 1, 4, classes), z), (Discriminator(4, classes), x)):
            variables = jax.jit(lambda key, m=module, g=given: m.init(key, g, one, train=False))(
                jax.random.key(2, impl="unsafe_rbg")
            )
            run = jax.jit(lambda v, labels, m=module, g=given: m.apply(v, g, labels, train=False))
            assert np.any(run(variables, one) != run(variables, other)) == (classes > 0), (classes, module)


def test_spectral_norm_is_found():
    conv = SpectralConv(features=6, kernel=3, padding=1)
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 4))
    variables = conv.init(jax.random.key(1), x, train=False)
    params, stats = variables["params"], {"spectral": variables["spectral"]}
    run = jax.jit(lambda stats: conv.apply({"params": params, **stats}, x, train=True, mutable=["spectral"]))
    for _ in range(100):
        out, stats = run(stats)
    norm = np.linalg.svd(np.asarray(params["kernel"]).reshape(-1, 6), compute_uv=False)[0]
    plain = jax.lax.conv_general_dilated(
        x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(out, plain / norm, rtol=1e-3, atol=1e-4)
    still = conv.apply({"params": params, **stats}, x, train=False)
    np.testing.assert_allclose(out, still, rtol=1e-4, atol=1e-5)


def test_spectral_discriminator_has_no_batch_norm():
    disc = Discriminator(4, norm="spectral")
    variables = jax.eval_shape(lambda: disc.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)), train=False))
    assert set(variables) == {"params", "spectral"}
    assert set(variables["params"]) == {"main_0", "main_2", "main_5", "main_8", "main_11"}
