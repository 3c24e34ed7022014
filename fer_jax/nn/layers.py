"""Layers with the references' geometry and initialisation, on top of `conv`. Pictures are NHWC.

Parameter names say how a PyTorch tensor maps onto them (`fer_jax.interop.torch_names`): ``kernel`` of rank 4 is a
convolution's, ``transposed_kernel`` a transposed convolution's, ``kernel`` of rank 2 a linear layer's.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.nn.initializers import Initializer, zeros
from jaxtyping import Array, Float

from fer_jax.nn import conv

Size = int | tuple[int, int]
Padding = int | tuple[tuple[int, int], tuple[int, int]]


def torch_uniform(fan_in: int) -> Initializer:
    """PyTorch's default for weights and biases of convolutions and linear layers: uniform in +-1/sqrt(fan_in).

    For weights this is Kaiming uniform with a = sqrt(5). A transposed convolution counts fan_in from its *output*
    channels, as PyTorch does.
    """
    bound = 1 / math.sqrt(fan_in)

    def init(key, shape, dtype=None, out_sharding=None):
        return jax.random.uniform(key, shape, dtype or jnp.float32, -bound, bound)

    return init


class Conv(nn.Module):
    """Conv2d. (B, H, W, I) -> (B, (H + 2 * padding - kernel) // stride + 1, ..., features).

    `kernel_init` and `bias_init` None mean PyTorch's defaults.
    """

    features: int
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b p q o"]:
        size = _pair(self.kernel)
        shape = (*size, x.shape[-1], self.features)
        default = torch_uniform(math.prod(shape[:3]))
        kernel = self.param("kernel", self.kernel_init or default, shape)
        bias = self.param("bias", self.bias_init or default, (self.features,)) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv.conv(x, kernel, stride=_pair(self.stride), padding=_pads(self.padding))
        return y if bias is None else y + bias


class ConvTranspose(nn.Module):
    """ConvTranspose2d. (B, H, W, I) -> (B, (H - 1) * stride - 2 * padding + kernel + output_padding, ..., features)."""

    features: int
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    output_padding: Size = 0
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b p q o"]:
        size = _pair(self.kernel)
        default = torch_uniform(math.prod(size) * self.features)
        kernel = self.param("transposed_kernel", self.kernel_init or default, (*size, x.shape[-1], self.features))
        bias = self.param("bias", self.bias_init or default, (self.features,)) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv.conv_transpose(
            x,
            kernel,
            stride=_pair(self.stride),
            padding=_pads(self.padding),
            output_padding=_pair(self.output_padding),
        )
        return y if bias is None else y + bias


class Dense(nn.Module):
    """Linear layer. (..., I) -> (..., features). `kernel_init` and `bias_init` None mean PyTorch's defaults."""

    features: int
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        default = torch_uniform(x.shape[-1])
        return nn.Dense(
            self.features,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init or default,
            bias_init=self.bias_init or default,
            name="linear",
        )(x)


class InstanceNorm(nn.Module):
    """InstanceNorm2d by the picture's own statistics, in training and evaluation. (B, H, W, C) -> (B, H, W, C).

    The variance is the biased one over H x W of each picture and channel. Statistics are float32 or better.
    Over a 1 x 1 map the result is the shift alone and every derivative is 0.

    With `track` running statistics are kept as PyTorch does, of the batch's means and mean unbiased variances, and
    moved where "batch_stats" is mutable. Nothing reads them: they are for networks that PyTorch's users export.
    """

    epsilon: float = 1e-5
    affine: bool = False
    track: bool = False
    momentum: float = 0.9  # share of the old running value

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.affine:
            scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
            shift = self.param("bias", zeros, x.shape[-1:])
        else:
            scale, shift = jnp.ones(x.shape[-1:], wide.dtype), jnp.zeros(x.shape[-1:], wide.dtype)
        if self.track:
            self._track(lax.stop_gradient(wide))
        return _instance_norm(wide, scale, shift, self.epsilon).astype(x.dtype)

    def _track(self, x: jax.Array) -> None:
        mean = self.variable("batch_stats", "mean", jnp.zeros, x.shape[-1:], jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, x.shape[-1:], jnp.float32)
        if self.is_initializing() or not self.is_mutable_collection("batch_stats"):
            return
        keep, count = self.momentum, x.shape[1] * x.shape[2]
        own = x.mean((1, 2), keepdims=True)
        own_var = jnp.square(x - own).mean((1, 2)) * (count / max(count - 1, 1))
        mean.value = keep * mean.value + (1 - keep) * own.mean((0, 1, 2))
        var.value = keep * var.value + (1 - keep) * own_var.mean(0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _instance_norm(x, scale, shift, epsilon):
    return _instance_norm_forward(x, scale, shift, epsilon)[0]


def _instance_norm_forward(x, scale, shift, epsilon):
    centred = x - x.mean((1, 2), keepdims=True)
    inverse = lax.rsqrt(jnp.square(centred).mean((1, 2), keepdims=True) + epsilon)
    normal = centred * inverse
    return normal * scale + shift, (normal, inverse, scale)


def _instance_norm_backward(epsilon, residuals, grad):
    """Two sums and one pass, where automatic differentiation makes a dozen kernels, each of which XLA compiles."""
    normal, inverse, scale = residuals
    count = normal.shape[1] * normal.shape[2]
    shift_sum = grad.sum((1, 2), keepdims=True)
    scale_sum = (grad * normal).sum((1, 2), keepdims=True)
    x_grad = scale * inverse * (grad - (shift_sum + normal * scale_sum) / count)
    return x_grad, scale_sum.sum((0, 1, 2)), shift_sum.sum((0, 1, 2))


_instance_norm.defvjp(_instance_norm_forward, _instance_norm_backward)


class BatchNorm(nn.Module):
    """BatchNorm2d as PyTorch keeps it. (..., C) -> (..., C).

    Normalises with the biased batch variance but stores the unbiased one, n / (n - 1), which flax's own layer does not.
    Under jit over a sharded batch the statistics are those of the *global* batch. `momentum` is the share of the old
    running value (PyTorch's 0.1 is 0.9 here). Statistics are float32 or better.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9
    affine: bool = True
    scale_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"], *, train: bool) -> Float[Array, "*b c"]:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, x.shape[-1:], jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, x.shape[-1:], jnp.float32)
        if self.affine:
            scale = self.param("scale", self.scale_init, x.shape[-1:])
            shift = self.param("bias", zeros, x.shape[-1:])
        else:
            scale, shift = jnp.ones(x.shape[-1:], wide.dtype), jnp.zeros(x.shape[-1:], wide.dtype)
        if not train:
            factor = scale * lax.rsqrt(running_var.value + self.epsilon)
            return ((wide - running_mean.value) * factor + shift).astype(x.dtype)
        y, mean, var = _batch_norm(wide, scale, shift, self.epsilon)
        if not self.is_initializing():
            keep, count = self.momentum, math.prod(x.shape[:-1])
            running_mean.value = keep * running_mean.value + (1 - keep) * mean
            running_var.value = keep * running_var.value + (1 - keep) * var * (count / max(count - 1, 1))
        return y.astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x, scale, shift, epsilon):
    """-> normalised x, and the statistics, which have no derivative."""
    return _batch_norm_forward(x, scale, shift, epsilon)[0]


def _batch_norm_forward(x, scale, shift, epsilon):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    var = jnp.square(x - mean).mean(axes)
    y = (x - mean) * (scale * lax.rsqrt(var + epsilon)) + shift
    return (y, mean, var), (x, mean, var, scale)


def _batch_norm_backward(epsilon, residuals, grads):
    """As for instance norm: two sums and one pass. Nothing but x is kept; the normalised x is cheaper made again."""
    x, mean, var, scale = residuals
    grad, axes, count = grads[0], tuple(range(x.ndim - 1)), math.prod(x.shape[:-1])
    inverse = lax.rsqrt(var + epsilon)
    shift_sum = grad.sum(axes)
    scale_sum = (grad * (x - mean)).sum(axes) * inverse
    x_grad = (scale * inverse) * (grad - shift_sum / count - (x - mean) * (inverse * scale_sum / count))
    return x_grad, scale_sum, shift_sum


_batch_norm.defvjp(_batch_norm_forward, _batch_norm_backward)


def max_pool(
    x: Float[Array, "b h w c"], window: int, stride: int, padding: int = 0, *, ceil_mode: bool = False
) -> Float[Array, "b p q c"]:
    """MaxPool2d. (B, H, W, C) -> (B, P, Q, C), P = (H + 2 * padding - window) // stride + 1, rounded up in ceil mode.

    Ceil mode pads the bottom and right edges further with -inf; as in PyTorch a window must start inside the picture
    or its left padding. Of equal values the first one gets the gradient, as in PyTorch.
    """
    pads = tuple(_pool_pads(n, window, stride, padding, ceil_mode) for n in x.shape[1:3])
    return _max_pool(x, window, stride, pads, x.shape[1:3])


def _pool_pads(size: int, window: int, stride: int, padding: int, ceil_mode: bool) -> tuple[int, int]:
    span = size + 2 * padding - window
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return padding, (out - 1) * stride + window - size - padding


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _max_pool(x, window, stride, pads, size):
    del size
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, window, window, 1), (1, stride, stride, 1), ((0, 0), *pads, (0, 0))
    )


def _max_pool_forward(x, window, stride, pads, size):
    """The maxima, and for each the number of the tap that it came from.

    That number is what is kept: comparing taps with maxima again in the derivative would find fewer winners than there
    are, since XLA may compute x a second time there, rounded differently.
    """
    del size
    padded = lax.pad(x, jnp.array(-jnp.inf, x.dtype), ((0, 0, 0), *((*pad, 0) for pad in pads), (0, 0, 0)))
    rows, cols = ((n - window) // stride + 1 for n in padded.shape[1:3])
    batch, channels = x.shape[0], x.shape[-1]
    best, winner = None, jnp.zeros((batch, rows, cols, channels), jnp.int8 if window < 12 else jnp.int32)
    for tap, (i, j) in enumerate(itertools.product(range(window), repeat=2)):
        end = (batch, i + (rows - 1) * stride + 1, j + (cols - 1) * stride + 1, channels)
        value = lax.slice(padded, (0, i, j, 0), end, (1, stride, stride, 1))
        if best is not None:
            winner = jnp.where(value > best, jnp.array(tap, winner.dtype), winner)
        best = value if best is None else lax.max(best, value)
    return best, winner


def _max_pool_backward(window, stride, pads, size, winner, grad):
    """XLA's select-and-scatter is serial on CPU: instead, each tap of the window takes what it won.

    Taps are summed at the pooled resolution, one sum for each phase of the stride, and interleaved once at the end.
    """
    (batch, rows, cols, channels), (height, width) = grad.shape, size
    (top, bottom), (left, right) = pads
    high = -(-(height + top + max(bottom, 0)) // stride)
    wide = -(-(width + left + max(right, 0)) // stride)
    phases = [[jnp.zeros((batch, high, wide, channels), grad.dtype)] * stride for _ in range(stride)]
    for tap, (i, j) in enumerate(itertools.product(range(window), repeat=2)):
        (row, row_phase), (col, col_phase) = divmod(i, stride), divmod(j, stride)
        phases[row_phase][col_phase] += lax.pad(
            jnp.where(winner == tap, grad, 0),
            jnp.zeros((), grad.dtype),
            ((0, 0, 0), (row, high - rows - row, 0), (col, wide - cols - col, 0), (0, 0, 0)),
        )
    total = jnp.stack([jnp.stack(row, 3) for row in phases], 2).reshape(batch, high * stride, wide * stride, channels)
    return (total[:, top : top + height, left : left + width],)


_max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def average_pool(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b p q c"]:
    """AvgPool2d with stride `window`. (B, H, W, C) -> (B, H // window, W // window, C); a rest is left out."""
    batch, height, width, channels = x.shape
    rows, cols = height // window, width // window
    whole = x[:, : rows * window, : cols * window]
    return whole.reshape(batch, rows, window, cols, window, channels).mean((2, 4))


def global_max(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """Largest value of each map. (B, H, W, C) -> (B, C). Of equal values the first one gets the gradient."""
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    chosen = lax.broadcasted_iota(jnp.int32, flat.shape, 1) == flat.argmax(1, keepdims=True)
    return jnp.where(chosen, flat, 0).sum(1)


def flatten_channels_first(x: Float[Array, "b h w c"]) -> Float[Array, "b n"]:
    """(B, H, W, C) -> (B, C * H * W) in C, H, W order, so that linear layers trained by PyTorch fit."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _pads(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
