"""BReG-NeXt: residual networks whose skip has a learned, bounded gradient (Hasani, Negi, Mahoor, FG 2020).

Follows the PyTorch file breg_next.py that Emotion-GCN uses. Pictures are (B, S, S, C), normalised by the caller.
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from fer_jax.nn.layers import BatchNorm, Conv, average_pool

BREGNEXT_50 = (7, 8, 7)  # layers of each width; a wider stage begins with one more, of stride 2

# Names here -> PyTorch names. Its Sequential numbers the stages, then the last norm.
TORCH_NAMES = (
    (r"\bstage(\d)", r"_model.\1"),
    (r"\blayer(\d)", r"_layer_stack.\1"),
    (r"\bnorm(\d)", r"_batchnorm_conv\1"),
    (r"\b(conv\d|shortcut)\b", r"_\1"),
    (r"\bnorm\b", "_model.5"),
)

# He et al.'s bound for ReLU networks; PyTorch's default for convolutions is smaller.
_kaiming_uniform = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")


class Shortcut(nn.Module):
    """The learned skip g(x) = atan(a x / q) / (a q), q = sqrt(c^2 + 1), of every element. (...) -> same.

    Its slope is 1 / (c^2 + 1) at 0 and falls off on both sides. As a goes to 0 it becomes the line x / q^2, which is
    what is computed there too (the reference divides 0 by 0).
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        a, c = (self.param(name, nn.initializers.ones, (1,)) for name in ("a", "c"))
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        square = c * c + 1
        return (wide / square * arctan_ratio(a * lax.rsqrt(square) * wide)).astype(x.dtype)


@jax.custom_jvp
def arctan_ratio(u: jax.Array) -> jax.Array:
    """atan(u) / u, 1 at 0. (...) -> same, in (0, 1]."""
    return _arctan_ratio(u)


_SERIES_BELOW = {4: 0.3, 8: 0.02}  # bytes of the float type -> where the quotients below lose more than the series
_SERIES_TERMS = 6


def _arctan_ratio(u):
    square, near = u * u, jnp.abs(u) < _SERIES_BELOW[u.dtype.itemsize]
    series = _horner(square, [(-1) ** k / (2 * k + 1) for k in range(_SERIES_TERMS + 1)])
    safe = jnp.where(near, 1, u)
    return jnp.where(near, series, jnp.arctan(safe) / safe)


@arctan_ratio.defjvp
def _arctan_ratio_jvp(primals, tangents):
    """(1 / (1 + u^2) - atan(u) / u) / u, which cancels at small u: there too the series."""
    (u,), (tangent,) = primals, tangents
    ratio, square, near = arctan_ratio(u), u * u, jnp.abs(u) < _SERIES_BELOW[u.dtype.itemsize]
    series = u * _horner(square, [(-1) ** k * 2 * k / (2 * k + 1) for k in range(1, _SERIES_TERMS + 1)])
    safe = jnp.where(near, 1, u)
    return ratio, jnp.where(near, series, (1 / (1 + square) - ratio) / safe) * tangent


def _horner(x, coefficients):
    """Sum of coefficients[k] * x^k."""
    return functools.reduce(lambda total, coefficient: total * x + coefficient, reversed(coefficients))


class ResidualLayer(nn.Module):
    """Two norm-ELU-convolution units and the learned skip. (B, H, W, C) -> (B, H // stride, W // stride, features).

    The skip sees the raw input; it is averaged where the layer strides, and padded with zero maps, as many in front as
    behind, where the layer widens.
    """

    features: int
    stride: int = 1
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b p q d"]:
        def unit(x, index, stride):
            x = nn.elu(BatchNorm(name=f"norm{index}")(x, train=train))
            conv = Conv(
                self.features,
                3,
                stride,
                1,
                kernel_init=_kaiming_uniform,
                dtype=self.dtype,
                name=f"conv{index}",
            )
            return conv(x)

        skip = Shortcut(name="shortcut")(x)
        if self.stride > 1:
            skip = average_pool(skip, self.stride)
        extra = self.features - x.shape[-1]
        skip = jnp.pad(skip, ((0, 0), (0, 0), (0, 0), (extra // 2, extra - extra // 2)))
        return unit(unit(x, 0, self.stride), 1, 1) + skip


class Stage(nn.Module):
    """Residual layers one after another, the first with a stride. (B, H, W, C) -> (B, H // stride, ..., features)."""

    layers: int
    features: int
    stride: int = 1
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for i in range(self.layers):
            x = ResidualLayer(self.features, self.stride if i == 0 else 1, self.dtype, name=f"layer{i}")(x, train=train)
        return x


class BRegNext(nn.Module):
    """The features of BReG-NeXt-50, last norm and ELU included. (B, S, S, C) -> (B, S // 4, S // 4, 4 * width).

    S must be a multiple of 4: the shortcut's pooling leaves a rest out where the strided convolution keeps it, so other
    sizes do not add up, here as in the reference.

    Attributes:
      depths: residual layers of the three widths, width, 2 * width and 4 * width.
      width: maps of the first convolution (published: 32).
    """

    depths: tuple[int, ...] = BREGNEXT_50
    width: int = 32
    dtype: jnp.dtype | None = None

    @property
    def maps(self) -> int:
        """The number of maps that come out."""
        return self.width * 2 ** (len(self.depths) - 1)

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Float[Array, "b p p f"]:
        x = Conv(self.width, 3, padding=1, dtype=self.dtype, name="conv0")(x)
        stage = 0
        for i, layers in enumerate(self.depths):
            plan = [(layers, 1)] if i == 0 else [(1, 2), (layers, 1)]
            for count, stride in plan:
                x = Stage(count, self.width * 2**i, stride, self.dtype, name=f"stage{stage}")(x, train=train)
                stage += 1
        return nn.elu(BatchNorm(name="norm")(x, train=train))
