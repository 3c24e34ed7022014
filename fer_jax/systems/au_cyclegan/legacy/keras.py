"""Networks of experiments e1 to e4 (Keras; models_1.py, models_wgan.py, models_gan.py of the reference).

Three skips instead of one, activation before norm, and a norm of its own kind. There are no trained weights to import.
`fer_jax.systems.au_cyclegan.networks` has the conventions.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv, ConvTranspose, Dense, flatten_channels_first
from fer_jax.systems.au_cyclegan.networks import ACTIVATIONS, INITS, Head, Judgement, Maps, join, widths


class PictureNorm(nn.Module):
    """keras_contrib's InstanceNormalization without an axis. (B, H, W, C) -> (B, H, W, C).

    Mean and deviation are of all H x W x C values of a picture, scale and shift one number each, and epsilon is added
    to the deviation. Statistics are float32 or better; the derivative of the deviation of a constant map is 0.
    """

    epsilon: float = 1e-3

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = wide - wide.mean((1, 2, 3), keepdims=True)
        variance = jnp.square(centred).mean((1, 2, 3), keepdims=True)
        varies = variance > 0
        deviation = jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1)), 0)
        scale = self.param("scale", nn.initializers.ones, (1,))
        shift = self.param("bias", nn.initializers.zeros, (1,))
        return (centred / (deviation + self.epsilon) * scale + shift).astype(x.dtype)


class _Unit(nn.Module):
    """Convolution without padding, with bias; activation; norm. `size` as in `networks.Unit`."""

    features: int
    kernel: int
    stride: int
    activation: str
    norm: bool = True
    scheme: str = "xavier_uniform"
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, size: int | None = None) -> jax.Array:
        fields: dict[str, Any] = {"stride": self.stride, "dtype": self.dtype, "name": "conv", **INITS[self.scheme]}
        if size is None:
            x = Conv(self.features, self.kernel, **fields)(x)
        else:
            lacking = size - (x.shape[1] - 1) * self.stride - self.kernel
            x = ConvTranspose(self.features, self.kernel, output_padding=lacking, **fields)(x)
        x = ACTIVATIONS[self.activation](x)
        return PictureNorm(name="norm")(x) if self.norm else x


class KerasGenerator(nn.Module):
    """e1 to e4. (B, S, S, C), (B, A) -> (B, S, S, C) in (-1, 1)."""

    channels: int = 3
    aus: int = 17
    width: int = 64
    kernels: tuple[int, ...] = (6, 6, 6, 6)
    strides: tuple[int, ...] = (3, 2, 2, 2)
    scheme: str = "xavier_uniform"
    dtype: jnp.dtype | None = None

    def setup(self):
        features = widths(self.width, len(self.kernels), self.width * 2 ** len(self.kernels))
        last: dict[str, Any] = {"scheme": self.scheme, "dtype": self.dtype}
        self.enc = [
            _Unit(n, k, s, "lrelu_0.2", **last) for n, k, s in zip(features, self.kernels, self.strides, strict=True)
        ]
        inner = zip(features[-2::-1], self.kernels[:0:-1], self.strides[:0:-1], strict=True)
        outermost = _Unit(self.channels, self.kernels[0], self.strides[0], "none", norm=False, **last)
        self.dec = [*(_Unit(n, k, s, "relu", **last) for n, k, s in inner), outermost]
        self.transform = Dense(features[-1] + self.aus, dtype=self.dtype, **INITS[self.scheme])
        self.bottleneck = Conv(features[-1], 1, dtype=self.dtype, **INITS[self.scheme])

    def encode(self, x: Float[Array, "b s s c"], *, train: bool) -> Maps:
        del train  # its norm does the same in both
        maps: Maps = (x,)
        for layer in self.enc:
            maps = (*maps, layer(maps[-1]))
        return maps

    def decode(self, maps: Maps, aus: Float[Array, "b a"], *, train: bool) -> Float[Array, "b s s c"]:
        del train
        x = self.bottleneck(ACTIVATIONS["lrelu_0.2"](self.transform(join(maps[-1], aus))))
        for i, layer in enumerate(self.dec):
            target = maps[-2 - i]
            x = layer(x, size=target.shape[1])
            if layer.norm:
                x = join(x, target)
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))

    def __call__(self, x: jax.Array, aus: jax.Array, *, train: bool) -> jax.Array:
        return self.decode(self.encode(x, train=train), aus, train=train)


class KerasCritic(nn.Module):
    """e1 to e4. (B, S, S, C) -> Judgement, whose values the losses put through a sigmoid where the reference does."""

    aus: int = 17
    width: int = 64
    kernels: tuple[int, ...] = (6, 6, 6, 6)
    strides: tuple[int, ...] = (3, 2, 2, 2)
    hidden: int = 512
    scheme: str = "xavier_uniform"
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"]) -> Judgement:
        features = widths(self.width, len(self.kernels), self.width * 2 ** len(self.kernels))
        shared: dict[str, Any] = {"scheme": self.scheme, "dtype": self.dtype}
        for i, (n, k, s) in enumerate(zip(features, self.kernels, self.strides, strict=True)):
            x = _Unit(n, k, s, "lrelu_0.2", norm=i > 0, **shared, name=f"conv_{i}")(x)
        x = flatten_channels_first(x)
        heads: dict[str, Any] = {"hidden": self.hidden, "activation": "lrelu_0.2", **shared}
        return Judgement(Head(1, **heads, name="adversarial")(x)[:, 0], Head(self.aus, **heads, name="aus")(x))
