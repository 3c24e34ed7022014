"""A small residual network for faces of 48 pixels, trained from nothing (ours).

Pre-activation blocks (He et al., ECCV 2016) with squeeze-and-excitation (Hu et al., CVPR 2018). ImageNet's networks
shrink 48 pixels to a map of two before they have looked; this one starts at full size and halves three times.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import BatchNorm, Conv, Dense

DEPTHS = (2, 2, 2)
WIDTH = 40

_kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class PreActBlock(nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, 3x3, weighing of maps. (B, H, W, C) -> (B, H / stride, W / stride, features)."""

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

        y = nn.relu(BatchNorm(name="norm1")(x, train=train))
        if self.stride != 1 or x.shape[-1] != self.features:
            x = conv(1, self.stride, "shortcut")(y)
        y = conv(3, self.stride, "conv1")(y)
        y = conv(3, 1, "conv2")(nn.relu(BatchNorm(name="norm2")(y, train=train)))
        return x + y * self._weights(y)

    def _weights(self, maps: jax.Array) -> jax.Array:
        """Of each map, (B, 1, 1, F) in [0, 1], from the means of all."""
        means = maps.mean((1, 2))
        hidden = nn.relu(Dense(max(self.features // 8, 1), dtype=self.dtype, name="squeeze")(means))
        return jax.nn.sigmoid(Dense(self.features, dtype=self.dtype, name="excite")(hidden))[:, None, None]


class Compact(nn.Module):
    """(B, S, S, C) -> (B, 4 * width) features, the means of the last maps, which are S / 8 wide.

    Attributes:
      depths: blocks of each stage; the first stage sees half the resolution.
      width: maps of the first stage; each further stage has twice as many.
    """

    depths: tuple[int, ...] = DEPTHS
    width: int = WIDTH
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Float[Array, "b f"]:
        def stem(features, stride, name):
            return Conv(
                features, 3, stride, 1, use_bias=False, kernel_init=_kaiming_normal, dtype=self.dtype, name=name
            )

        x = stem(self.width // 2, 1, "stem1")(x)
        x = stem(self.width, 2, "stem2")(nn.relu(BatchNorm(name="stem_norm")(x, train=train)))
        for stage, blocks in enumerate(self.depths):
            for i in range(blocks):
                stride = 2 if stage and not i else 1
                block = PreActBlock(self.width * 2**stage, stride, self.dtype, name=f"stage{stage + 1}_{i}")
                x = block(x, train=train)
        x = nn.relu(BatchNorm(name="norm")(x, train=train))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32)).mean((1, 2))
