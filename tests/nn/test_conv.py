"""The convolution against lax: values, gradients and gradients of gradients, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fer_jax.nn import conv

# kernel, stride, padding, size: those of all systems, and odd ones
GEOMETRIES = [
    ((3, 3), (1, 1), ((1, 1), (1, 1)), (7, 8)),
    ((5, 5), (1, 1), ((2, 2), (2, 2)), (9, 9)),
    ((4, 4), (2, 2), ((1, 1), (1, 1)), (8, 8)),
    ((4, 4), (2, 2), ((1, 1), (1, 1)), (7, 7)),  # floor leaves a row over
    ((4, 4), (2, 2), ((1, 1), (1, 1)), (2, 2)),  # input smaller than the kernel
    ((6, 6), (3, 3), ((0, 0), (0, 0)), (20, 20)),
    ((7, 7), (2, 2), ((3, 3), (3, 3)), (15, 15)),
    ((1, 7), (1, 1), ((0, 0), (3, 3)), (9, 9)),
    ((1, 1), (1, 1), ((0, 0), (0, 0)), (5, 5)),
    ((2, 3), (2, 1), ((0, 1), (2, 0)), (6, 7)),
]


def plain(x, w, stride, padding):
    return lax.conv_general_dilated(x, w, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def derivatives(function, x, w):
    """Value, first and second derivatives of a curved scalar of the result."""

    def scalar(x, w):
        y = function(x, w)
        return jnp.sum(jnp.sin(y) * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    def of_gradient(x, w):
        return sum(jnp.sum(jnp.sin(g)) for g in jax.grad(scalar, (0, 1))(x, w))

    return [function(x, w), *jax.grad(scalar, (0, 1))(x, w), *jax.grad(of_gradient, (0, 1))(x, w)]


@pytest.mark.parametrize(("dtype", "tolerance", "channels"), [(np.float64, 1e-11, (3, 5)), (np.float32, 3e-3, (10, 2))])
@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), GEOMETRIES)
def test_same_numbers_as_lax(kernel, stride, padding, size, dtype, tolerance, channels):
    rng = np.random.default_rng(0)
    with jax.enable_x64(dtype == np.float64):
        x = jnp.asarray(rng.normal(size=(2, *size, channels[0])), dtype)
        w = jnp.asarray(rng.normal(size=(*kernel, *channels)) / np.sqrt(np.prod(kernel) * channels[0]), dtype)
        ours = jax.jit(lambda x, w: derivatives(lambda x, w: conv.conv(x, w, stride=stride, padding=padding), x, w))(
            x, w
        )
        theirs = jax.jit(lambda x, w: derivatives(lambda x, w: plain(x, w, stride, padding), x, w))(x, w)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra", "size"),
    [(4, 2, 1, 0, 5), (4, 2, 1, 1, 3), (6, 3, 0, 1, 4), (3, 1, 1, 0, 6), (4, 1, 0, 0, 1), (6, 2, 0, 0, 1)],
)
def test_transposed_convolution_scatters_the_kernel(kernel, stride, padding, extra, size):
    """Against the definition: every input pixel adds its copy of the kernel, then the padding is cut off."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, size, size, 3)), rng.normal(size=(kernel, kernel, 3, 4))
    full = np.zeros((2, *2 * [(size - 1) * stride + kernel + extra], 4))
    for i, j in np.ndindex(size, size):
        full[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += np.einsum(
            "bi,hwio->bhwo", x[:, i, j], w
        )
    side = (size - 1) * stride - 2 * padding + kernel + extra
    expected = full[:, padding : padding + side, padding : padding + side]
    actual = conv.conv_transpose(
        jnp.asarray(x, jnp.float32),
        jnp.asarray(w, jnp.float32),
        stride=(stride, stride),
        padding=2 * ((padding, padding),),
        output_padding=(extra, extra),
    )
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), GEOMETRIES)
def test_no_scalar_loops_on_cpu(kernel, stride, padding, size):
    """`rhs_reversal` is what XLA's CPU backend runs a hundred times slower; it must not come up in any derivative."""
    x, w = jnp.zeros((2, *size, 10)), jnp.zeros((*kernel, 10, 12))

    def both(x, w):
        forward = derivatives(lambda x, w: conv.conv(x, w, stride=stride, padding=padding), x, w)
        y = forward[0]
        back = derivatives(lambda y, w: conv.conv_transpose(y, w, stride=stride, padding=padding), y, w.swapaxes(2, 3))
        return forward, back

    assert "rhs_reversal" not in jax.jit(both).lower(x, w).compile().as_text()


def test_vmap_and_forward_mode():
    x, w = jax.random.normal(jax.random.key(0), (3, 2, 5, 5, 4)), jax.random.normal(jax.random.key(1), (3, 3, 4, 6))
    one = lambda x: conv.conv(x, w, padding=((1, 1), (1, 1)))  # noqa: E731
    np.testing.assert_allclose(jax.vmap(one)(x), jnp.stack([one(each) for each in x]), atol=1e-5)
    _, tangent = jax.jvp(one, (x[0],), (x[1],))
    np.testing.assert_allclose(tangent, one(x[1]), atol=1e-5)


def test_plain_forms_are_lowered_elsewhere():
    """On other platforms the same operation is one lax convolution."""
    x, w = jnp.zeros((1, 2, 2, 4)), jnp.zeros((4, 4, 4, 8))
    exported = jax.export.export(
        jax.jit(lambda x, w: conv.conv(x, w, stride=(2, 2), padding=((1, 1), (1, 1)))), platforms=["tpu"]
    )(x, w)
    assert exported.mlir_module().count("stablehlo.convolution") == 1


def test_mistakes_are_named():
    x = jnp.zeros((1, 4, 4, 3))
    with pytest.raises(ValueError, match="3 channels, kernel expects 5"):
        conv.conv(x, jnp.zeros((3, 3, 5, 2)))
    with pytest.raises(ValueError, match="does not fit"):
        conv.conv(x, jnp.zeros((5, 5, 3, 2)))
    with pytest.raises(ValueError, match="output_padding"):
        conv.conv_transpose(x, jnp.zeros((3, 3, 3, 2)), output_padding=(1, 0))
