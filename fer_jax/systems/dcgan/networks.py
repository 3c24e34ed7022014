"""DCGAN (Radford, Metz, Chintala, ICLR 2016) for square pictures whose side is a multiple of 16.

The published faces are 64 x 64 x 3, and 48 x 48 x 1 by changing the first and the last kernel of each network, which
span the side / 16. Pictures are (B, S, S, C) in [-1, 1]. No layer has a bias.

Not in the published networks: with `classes` above 0 they are conditional. The generator joins a vector of the class
to its input and shifts and scales each batch norm by class (de Vries et al., 2017); the discriminator adds the product
of its last maps' means with a vector of the class (projection: Miyato and Koyama, 2018).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from fer_jax.nn import conv
from fer_jax.nn.layers import BatchNorm, Conv, ConvTranspose

UNIT = 16  # of the pictures' side: four halvings
NORMS = ("batch", "spectral")  # of the discriminator
_WEIGHTS = nn.initializers.normal(0.02)

# Names here -> PyTorch names: layers are called by their place in the Sequential of the tutorial, activations counted.
TORCH_NAMES = ((r"^(params|batch_stats)(\.|$)", ""), (r"\bmain_(\d+)", r"\1"))

Labels = Int[Array, "b"] | None


def _around_one(key, shape, dtype=jnp.float32, out_sharding=None):
    return 1 + _WEIGHTS(key, shape, dtype)


class ClassNorm(nn.Module):
    """Batch norm whose scale and shift are those of a picture's class. (B, H, W, C) and (B,) -> (B, H, W, C)."""

    classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], labels: Labels, *, train: bool) -> Float[Array, "b h w c"]:
        x = BatchNorm(affine=False, name="norm")(x, train=train)
        shape = (self.classes, x.shape[-1])
        scale, shift = self.param("scale", _around_one, shape), self.param("bias", nn.initializers.zeros, shape)
        scale, shift = chosen(scale, labels), chosen(shift, labels)
        return x * scale[:, None, None].astype(x.dtype) + shift[:, None, None].astype(x.dtype)


def chosen(rows: Float[Array, "k c"], labels: Labels) -> Float[Array, "b c"]:
    """The row of each class."""
    assert labels is not None, "conditional networks are asked for classes"
    return rows[labels]


class SpectralConv(nn.Module):
    """Convolution by the kernel over its spectral norm (Miyato et al., ICLR 2018), without bias.

    The norm is found by power iteration, one step a pass in training; its vector (O,) is kept in "spectral".
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], *, train: bool) -> Float[Array, "b p q o"]:
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", _WEIGHTS, shape)
        vector = self.variable("spectral", "u", lambda: jnp.full(self.features, self.features**-0.5))
        matrix = kernel.reshape(-1, self.features)
        fixed = jax.lax.stop_gradient(matrix)
        left = _unit(_product(fixed, vector.value))
        right = _unit(_product(fixed.T, left))
        if train and not self.is_initializing():
            vector.value = right
        norm = (left * _product(matrix, right)).sum()
        x, kernel = nn.dtypes.promote_dtype(x, kernel / norm, dtype=self.dtype)
        pads = ((self.padding, self.padding),) * 2
        return conv.conv(x, kernel, stride=(self.stride, self.stride), padding=pads)


def _product(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    return jnp.matmul(matrix, vector, precision=jax.lax.Precision.HIGHEST)


def _unit(vector: jax.Array) -> jax.Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


class Generator(nn.Module):
    """One projection and four doublings. z (B, Z) ~ N(0, 1), and classes (B,) -> pictures (B, S, S, C) in (-1, 1)."""

    image_size: int = 64
    channels: int = 3
    width: int = 64
    classes: int = 0  # 0 = not conditional
    embedding: int = 32
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, z: Float[Array, "b z"], labels: Labels = None, *, train: bool) -> Float[Array, "b s s c"]:
        if self.classes:
            table = self.param("embedding", nn.initializers.normal(1.0), (self.classes, self.embedding))
            z = jnp.concatenate([z, chosen(table, labels).astype(z.dtype)], -1)
        x, side = z[:, None, None], self.image_size // UNIT
        for stage, factor in enumerate((8, 4, 2, 1)):
            x = self._layer(self.width * factor, 3 * stage, *((4, 2, 1) if stage else (side, 1, 0)))(x)
            name = f"main_{3 * stage + 1}"
            if self.classes:
                x = ClassNorm(self.classes, name=name)(x, labels, train=train)
            else:
                x = BatchNorm(scale_init=_around_one, name=name)(x, train=train)
            x = nn.relu(x)
        x = self._layer(self.channels, 12, 4, 2, 1)(x)
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))

    def _layer(self, features: int, place: int, kernel: int, stride: int, padding: int) -> ConvTranspose:
        fields: dict[str, Any] = {"use_bias": False, "kernel_init": _WEIGHTS, "dtype": self.dtype}
        return ConvTranspose(features, kernel, stride, padding, name=f"main_{place}", **fields)


class Discriminator(nn.Module):
    """Four halvings and a last convolution over all. (B, S, S, C) in [-1, 1], and classes (B,) -> logits (B,) "real".

    `norm` "spectral": spectral norm of all kernels, in place of batch norm.
    """

    width: int = 64
    classes: int = 0  # 0 = not conditional
    norm: str = "batch"
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], labels: Labels = None, *, train: bool) -> Float[Array, "b"]:
        places = (0, 2, 5, 8)
        for stage, place in enumerate(places):
            x = self._convolved(x, self.width * 2**stage, 4, 2, 1, place, train)
            if stage and self.norm == "batch":
                x = BatchNorm(scale_init=_around_one, name=f"main_{place + 1}")(x, train=train)
            x = nn.leaky_relu(x, 0.2)
        logits = self._convolved(x, 1, x.shape[1], 1, 0, 11, train)[:, 0, 0, 0]
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        if not self.classes:
            return logits
        table = self.param("embedding", _WEIGHTS, (self.classes, x.shape[-1]))
        return logits + (chosen(table, labels) * x.mean((1, 2)).astype(logits.dtype)).sum(-1)

    def _convolved(self, x, features: int, kernel: int, stride: int, padding: int, place: int, train: bool):
        name = f"main_{place}"
        if self.norm == "spectral":
            return SpectralConv(features, kernel, stride, padding, dtype=self.dtype, name=name)(x, train=train)
        fields: dict[str, Any] = {"use_bias": False, "kernel_init": _WEIGHTS, "dtype": self.dtype}
        return Conv(features, kernel, stride, padding, name=name, **fields)(x)
