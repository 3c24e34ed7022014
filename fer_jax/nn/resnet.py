"""ResNet-18 and ResNet-34 (He et al., CVPR 2016) as torchvision builds them. Pictures are (B, S, S, C).

The modules' names are torchvision's, so that the tensors of its state dicts fit without renaming.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import BatchNorm, Conv, max_pool

RESNET_18 = (2, 2, 2, 2)
RESNET_34 = (3, 4, 6, 3)

_kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input goes. (B, H, W, C) -> (B, H / stride, W / stride, features)."""

    features: int
    stride: int = 1
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b p q f"]:
        def conv(kernel, stride, name):
            return Conv(
                self.features,
                kernel,
                stride,
                kernel // 2,
                use_bias=False,
                kernel_init=_kaiming_normal,
                dtype=self.dtype,
                name=name,
            )

        y = nn.relu(BatchNorm(name="bn1")(conv(3, self.stride, "conv1")(x), train=train))
        y = BatchNorm(name="bn2")(conv(3, 1, "conv2")(y), train=train)
        if self.stride != 1 or x.shape[-1] != self.features:
            x = BatchNorm(name="downsample_1")(conv(1, self.stride, "downsample_0")(x), train=train)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """The features of a ResNet of basic blocks. (B, S, S, C) -> (B, 8 * width), the means of the last maps.

    Attributes:
      blocks: of each of the four stages.
      width: maps of the first stage (published: 64); each further stage has twice as many.
    """

    blocks: tuple[int, ...] = RESNET_18
    width: int = 64
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Float[Array, "b f"]:
        x = Conv(
            self.width, 7, 2, 3, use_bias=False, kernel_init=_kaiming_normal, dtype=self.dtype, name="conv1"
        )(x)  # fmt: skip
        x = max_pool(nn.relu(BatchNorm(name="bn1")(x, train=train)), 3, 2, 1)
        for stage, blocks in enumerate(self.blocks):
            for i in range(blocks):
                stride = 2 if stage and not i else 1
                name = f"layer{stage + 1}_{i}"
                x = BasicBlock(self.width * 2**stage, stride, self.dtype, name=name)(x, train=train)
        return _pooled(x)


def _pooled(maps: jax.Array) -> jax.Array:
    """Mean over places, in float32 or better."""
    return maps.astype(jnp.promote_types(maps.dtype, jnp.float32)).mean((1, 2))
