"""DenseNet (Huang et al., CVPR 2017) as torchvision builds it. Pictures are (B, S, S, C), normalised by the caller.

`DENSENET_121` and `DENSENET_201` are the layers of each block. The modules' names are torchvision's, so that the
tensors of its state dicts fit without renaming.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import BatchNorm, Conv, average_pool, max_pool

DENSENET_121 = (6, 12, 24, 16)
DENSENET_201 = (6, 12, 48, 32)

# torchvision's: plain normal, where flax's own he_normal is a truncated one.
_kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution. (B, H, W, C) -> the new maps (B, H, W, growth)."""

    growth: int
    bottleneck: int
    epsilon: float
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w g"]:
        def conv(features, kernel, name):
            return Conv(
                features,
                kernel,
                padding=kernel // 2,
                use_bias=False,
                kernel_init=_kaiming_normal,
                dtype=self.dtype,
                name=name,
            )

        x = nn.relu(BatchNorm(self.epsilon, name="norm1")(x, train=train))
        x = conv(self.bottleneck * self.growth, 1, "conv1")(x)
        x = nn.relu(BatchNorm(self.epsilon, name="norm2")(x, train=train))
        return conv(self.growth, 3, "conv2")(x)


class DenseBlock(nn.Module):
    """Each layer sees the maps of all before it. (B, H, W, C) -> (B, H, W, C + layers * growth)."""

    layers: int
    growth: int
    bottleneck: int
    epsilon: float
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w d"]:
        for i in range(self.layers):
            layer = DenseLayer(self.growth, self.bottleneck, self.epsilon, self.dtype, name=f"denselayer{i + 1}")
            x = jnp.concatenate([x, layer(x, train=train)], -1)
        return x


class Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution to half the maps, 2x2 average. (B, H, W, C) -> (B, H // 2, W // 2, C // 2)."""

    epsilon: float
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b p q d"]:
        x = nn.relu(BatchNorm(self.epsilon, name="norm")(x, train=train))
        x = Conv(x.shape[-1] // 2, 1, use_bias=False, kernel_init=_kaiming_normal, dtype=self.dtype, name="conv")(x)
        return average_pool(x, 2)


class DenseNet(nn.Module):
    """The features of a DenseNet, without its last ReLU. (B, S, S, C) -> (B, S // 32, S // 32, F), about.

    Attributes:
      blocks: layers of each dense block.
      growth: maps that a layer adds (published: 32).
      stem: maps of the first convolution (published: 64).
      bottleneck: width of the 1x1 convolutions, in multiples of `growth`.
      epsilon: of all norms.
    """

    blocks: tuple[int, ...] = DENSENET_121
    growth: int = 32
    stem: int = 64
    bottleneck: int = 4
    epsilon: float = 1e-5
    dtype: jnp.dtype | None = None

    @property
    def maps(self) -> int:
        """F, the number of maps that come out."""
        count = self.stem
        for i, layers in enumerate(self.blocks):
            count = (count if i == 0 else count // 2) + layers * self.growth
        return count

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Float[Array, "b p p f"]:
        x = Conv(self.stem, 7, 2, 3, use_bias=False, kernel_init=_kaiming_normal, dtype=self.dtype, name="conv0")(x)
        x = max_pool(nn.relu(BatchNorm(self.epsilon, name="norm0")(x, train=train)), 3, 2, 1)
        for i, layers in enumerate(self.blocks, start=1):
            block = DenseBlock(layers, self.growth, self.bottleneck, self.epsilon, self.dtype, name=f"denseblock{i}")
            x = block(x, train=train)
            if i < len(self.blocks):
                x = Transition(self.epsilon, self.dtype, name=f"transition{i}")(x, train=train)
        return BatchNorm(self.epsilon, name="norm5")(x, train=train)
