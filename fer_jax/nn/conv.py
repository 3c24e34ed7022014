"""2-D convolution and its two transposes, closed under reverse-mode differentiation of any order.

A convolution ``F(x, w)``, its transpose in the input ``B(g, w)`` and its transpose in the kernel ``K(x, g)`` are one
trilinear form ``<g, F(x, w)>``: each derivative of one of them is another of the three. They are three bilinear
primitives here, so derivatives of every order and in both modes (WGAN-GP differentiates twice) stay on these three.
Left to lax, XLA's CPU backend turns the kernel gradient of a transposed or a gradient convolution into a convolution
with ``rhs_reversal``, which it runs as scalar loops, about a hundred times slower.

Which form computes an operation is a lowering rule of the platform: on CPU the forms measured to be fast there,
elsewhere plain ``lax.conv_general_dilated``, which the GPU and TPU compilers know. (``lax.platform_dependent`` would
do, but it lowers both forms of every operation, which makes tracing and compiling several times slower.)

Layouts: pictures NHWC, kernels HWIO. A transposed convolution *is* ``B``; its kernel is kept as (kh, kw, in, out).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

_DIMS = ("NHWC", "HWIO", "NHWC")
_KERNEL_GRAD_DIMS = ("CHWN", "IHWO", "HWNC")  # batch is contracted, the output gradient plays the kernel
_FEW_OUTPUTS = 8  # below this many output channels XLA's CPU kernel gradient runs at 2 GF/s instead of 80

Pair = tuple[int, ...]  # two numbers: rows, columns (slices of shapes are typed no closer)


class Geometry(NamedTuple):
    """Static geometry of a convolution: stride and zero padding ((top, bottom), (left, right))."""

    stride: Pair
    padding: tuple[Pair, ...]


def conv(x: jax.Array, kernel: jax.Array, *, stride: Pair = (1, 1), padding: tuple[Pair, Pair] = ((0, 0), (0, 0))):
    """PyTorch's Conv2d without bias: (B, H, W, I) x (kh, kw, I, O) -> (B, H', W', O), H' = (H + pad - kh) // s + 1.

    Raises:
      ValueError: the channels do not match, or the padded picture is smaller than the kernel.
    """
    if x.shape[-1] != kernel.shape[2]:
        raise ValueError(f"conv: picture has {x.shape[-1]} channels, kernel expects {kernel.shape[2]}")
    geometry = Geometry(stride, padding)
    if min(_out_size(x.shape[1:3], kernel.shape[:2], geometry)) < 1:
        raise ValueError(f"conv: a {kernel.shape[:2]} kernel does not fit a {x.shape[1:3]} map with padding {padding}")
    return _forward(x, kernel, geometry)


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    output_padding: Pair = (0, 0),
):
    """PyTorch's ConvTranspose2d without bias: (B, H, W, I) x (kh, kw, I, O) -> (B, H', W', O).

    H' = (H - 1) * s - pad + kh + output_padding; output padding adds rows at the bottom, columns at the right.

    Raises:
      ValueError: the channels do not match, or output_padding is not smaller than the stride.
    """
    if x.shape[-1] != kernel.shape[2]:
        raise ValueError(f"conv_transpose: picture has {x.shape[-1]} channels, kernel expects {kernel.shape[2]}")
    if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
        raise ValueError(f"conv_transpose: output_padding {output_padding} must be smaller than stride {stride}")
    size = tuple(
        (n - 1) * s - lo - hi + k + extra
        for n, s, (lo, hi), k, extra in zip(
            x.shape[1:3], stride, padding, kernel.shape[:2], output_padding, strict=True
        )
    )
    return _input_grad(x, kernel.swapaxes(2, 3), Geometry(stride, padding), size)


# ---- plain forms: GPU, TPU, and the general case on CPU -------------------------------------------------------------


def _forward_lax(x, w, *, geometry):
    return lax.conv_general_dilated(x, w, geometry.stride, geometry.padding, dimension_numbers=_DIMS)


def _input_grad_lax(g, w, *, geometry, size):
    pads = [
        (k - 1 - lo, n + lo - (m - 1) * s - 1)
        for k, (lo, _), n, m, s in zip(w.shape[:2], geometry.padding, size, g.shape[1:3], geometry.stride, strict=True)
    ]
    flipped = lax.rev(w, (0, 1)).swapaxes(2, 3)
    return lax.conv_general_dilated(g, flipped, (1, 1), pads, lhs_dilation=geometry.stride, dimension_numbers=_DIMS)


def _kernel_grad_lax(x, g, *, geometry, kernel):
    pads = [
        (lo, (m - 1) * s + k - n - lo)
        for k, (lo, _), n, m, s in zip(
            kernel, geometry.padding, x.shape[1:3], g.shape[1:3], geometry.stride, strict=True
        )
    ]
    return lax.conv_general_dilated(
        x, g, (1, 1), pads, rhs_dilation=geometry.stride, dimension_numbers=_KERNEL_GRAD_DIMS
    )


# ---- CPU forms ------------------------------------------------------------------------------------------------------


def _forward_cpu(x, w, *, geometry):
    if _is_pointwise(w.shape[:2], geometry):
        return jnp.einsum("nhwc,co->nhwo", x, w[0, 0])
    if _smaller_than_kernel(x, w.shape[:2]):
        patches = _patches(x, w.shape[:2], geometry, _out_size(x.shape[1:3], w.shape[:2], geometry))
        return jnp.einsum("nhwk,ko->nhwo", patches, w.reshape(-1, w.shape[-1]))
    return _forward_lax(x, w, geometry=geometry)


def _input_grad_cpu(g, w, *, geometry, size):
    if _is_pointwise(w.shape[:2], geometry):
        return jnp.einsum("nhwo,co->nhwc", g, w[0, 0])
    # XLA runs a dilated float64 convolution as scalar loops, 500 times slower than this.
    if _smaller_than_kernel(g, w.shape[:2]) or (g.dtype == jnp.float64 and geometry.stride != (1, 1)):
        return _overlap_add(g, w, geometry, size)
    return _input_grad_lax(g, w, geometry=geometry, size=size)


def _kernel_grad_cpu(x, g, *, geometry, kernel):
    channels, features = x.shape[-1], g.shape[-1]
    if _is_pointwise(kernel, geometry):
        return jnp.einsum("nhwc,nhwo->co", x, g)[None, None]
    if _smaller_than_kernel(x, kernel) or _smaller_than_kernel(g, kernel):
        patches = _patches(x, kernel, geometry, g.shape[1:3])
        return jnp.einsum("nhwk,nhwo->ko", patches, g).reshape(*kernel, channels, features)
    if geometry.stride == (1, 1) and features < _FEW_OUTPUTS < channels and x.shape[1:3] == g.shape[1:3]:
        # Few outputs: swap the roles of picture and gradient, which flips the taps.
        swapped = tuple((k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(kernel, geometry.padding, strict=True))
        flipped = _kernel_grad_lax(g, x, geometry=Geometry((1, 1), swapped), kernel=kernel)
        return lax.rev(flipped, (0, 1)).swapaxes(2, 3)
    return _kernel_grad_lax(x, g, geometry=geometry, kernel=kernel)


def _is_pointwise(kernel: Pair, geometry: Geometry) -> bool:
    return tuple(kernel) == (1, 1) and geometry == Geometry((1, 1), ((0, 0), (0, 0)))


def _smaller_than_kernel(x, kernel: Pair) -> bool:
    """XLA swaps the operands of a convolution whose kernel outgrows its input, which costs rhs_reversal."""
    return x.shape[1] * x.shape[2] < kernel[0] * kernel[1]


def _out_size(size: Pair, kernel: Pair, geometry: Geometry) -> Pair:
    rows, cols = (
        (n + lo + hi - k) // s + 1
        for n, k, s, (lo, hi) in zip(size, kernel, geometry.stride, geometry.padding, strict=True)
    )
    return rows, cols


def _patches(x, kernel, geometry, out):
    """(B, H, W, C) -> (B, *out, kh * kw * C), taps in row-major order as in a reshaped HWIO kernel."""
    batch, _, _, channels = x.shape
    (sh, sw), (rows, cols) = geometry.stride, out
    # A negative amount crops what a floor division left over; lax.pad takes both.
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *((lo, hi, 0) for lo, hi in geometry.padding), (0, 0, 0)))
    taps = [
        lax.slice(x, (0, i, j, 0), (batch, i + (rows - 1) * sh + 1, j + (cols - 1) * sw + 1, channels), (1, sh, sw, 1))
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    return jnp.concatenate(taps, -1)


def _overlap_add(g, w, geometry, size):
    """_input_grad as one matrix product whose taps are added in place."""
    (sh, sw), ((top, bottom), (left, right)) = geometry.stride, geometry.padding
    (kh, kw, channels, _), (rows, cols) = w.shape, g.shape[1:3]
    height, width = size[0] + top + bottom, size[1] + left + right
    taps = jnp.einsum("nhwo,ko->nhwk", g, w.reshape(-1, w.shape[-1]))
    zero = jnp.zeros((), taps.dtype)
    total: jax.Array = sum(  # type: ignore[assignment]
        lax.pad(
            taps[..., (i * kw + j) * channels : (i * kw + j + 1) * channels],
            zero,
            (
                (0, 0, 0),
                (i, height - i - (rows - 1) * sh - 1, sh - 1),
                (j, width - j - (cols - 1) * sw - 1, sw - 1),
                (0, 0, 0),
            ),
        )
        for i in range(kh)
        for j in range(kw)
    )
    return total[:, top : height - bottom, left : width - right]


# ---- the three primitives and their derivatives ---------------------------------------------------------------------


def _primitive(name: str, shape, plain, cpu) -> Primitive:
    """A bilinear primitive: `shape` of its result, `plain` lowering, and the one for CPU."""
    primitive = Primitive(name)

    def abstract(a, b, **static):
        if a.dtype != b.dtype:
            raise TypeError(f"{name}: operands of one dtype needed, got {a.dtype} and {b.dtype}")
        return ShapedArray(shape(a, b, **static), a.dtype)

    @functools.partial(jax.jit, static_argnames="static")
    def eager(a, b, static):
        return primitive.bind(a, b, **dict(static))

    def batched(operands, axes, **static):
        return jax.vmap(functools.partial(plain, **static), axes)(*operands), 0

    primitive.def_impl(lambda a, b, **static: eager(a, b, tuple(sorted(static.items()))))
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(cpu, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = batched
    return primitive


_forward_p = _primitive(
    "conv_forward",
    lambda x, w, geometry: (x.shape[0], *_out_size(x.shape[1:3], w.shape[:2], geometry), w.shape[3]),
    _forward_lax,
    _forward_cpu,
)
_input_grad_p = _primitive(
    "conv_input_grad",
    lambda g, w, geometry, size: (g.shape[0], *size, w.shape[2]),
    _input_grad_lax,
    _input_grad_cpu,
)
_kernel_grad_p = _primitive(
    "conv_kernel_grad",
    lambda x, g, geometry, kernel: (*kernel, x.shape[3], g.shape[3]),
    _kernel_grad_lax,
    _kernel_grad_cpu,
)


def _forward(x, w, geometry: Geometry):
    """(B, H, W, I) x (kh, kw, I, O) -> (B, H', W', O)."""
    return _forward_p.bind(x, w, geometry=geometry)


def _input_grad(g, w, geometry: Geometry, size: Pair):
    """Transpose of _forward in x: (B, H', W', O) x (kh, kw, I, O) -> (B, *size, I)."""
    return _input_grad_p.bind(g, w, geometry=geometry, size=size)


def _kernel_grad(x, g, geometry: Geometry, kernel: Pair):
    """Transpose of _forward in w: (B, H, W, I) x (B, H', W', O) -> (*kernel, I, O)."""
    return _kernel_grad_p.bind(x, g, geometry=geometry, kernel=kernel)


# Each rule gets the cotangent, then both operands; the one that is differentiated only has a shape.
ad.defbilinear(
    _forward_p,
    lambda ct, x, w, geometry: _input_grad(ct, w, geometry, x.aval.shape[1:3]),
    lambda ct, x, w, geometry: _kernel_grad(x, ct, geometry, w.aval.shape[:2]),
)
ad.defbilinear(
    _input_grad_p,
    lambda ct, g, w, geometry, size: _forward(ct, w, geometry),
    lambda ct, g, w, geometry, size: _kernel_grad(ct, g, geometry, w.aval.shape[:2]),
)
ad.defbilinear(
    _kernel_grad_p,
    lambda ct, x, g, geometry, kernel: _input_grad(g, ct, geometry, x.aval.shape[1:3]),
    lambda ct, x, g, geometry, kernel: _forward(x, ct, geometry),
)
