"""Backbones that classifiers and BYOL share, and the normalisation of their images.

torchvision's ResNet-18, ResNet-34 and DenseNet-201, for images of 224 pixels, and `compact`, for 48
(`fer_jax.nn.compact`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn import compact
from fer_jax.nn.compact import Compact
from fer_jax.nn.densenet import DENSENET_201, DenseNet
from fer_jax.nn.resnet import RESNET_18, RESNET_34, ResNet

BACKBONES = ("resnet18", "resnet34", "densenet201", "compact")
# Mean and deviation of red, green and blue that images are normalised by.
NORMS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "faces": ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
}


def normalise(image: jax.Array, norm: str) -> jax.Array:
    """Images (B, S, S, C) in [0, 1] by the figures of a name of `NORMS`; grey ones by the means of the colours'."""
    mean, deviation = (np.asarray(values, np.float32) for values in NORMS[norm])
    if image.shape[-1] != len(mean):
        mean, deviation = mean.mean(), deviation.mean()
    return (image - mean) / deviation


class Backbone(nn.Module):
    """(B, S, S, C) -> features (B, F).

    Attributes:
      name_of: one of `BACKBONES`.
      depths: blocks (DenseNet: layers of the blocks) of each stage; () = as published.
      width: of the first stage (DenseNet: growth); 0 = as published.
    """

    name_of: str
    depths: tuple[int, ...] = ()
    width: int = 0
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Float[Array, "b f"]:
        if self.name_of == "compact":
            net = Compact(self.depths or compact.DEPTHS, self.width or compact.WIDTH, self.dtype, name="net")
            return net(x, train=train)
        if self.name_of.startswith("resnet"):
            depths = RESNET_18 if self.name_of == "resnet18" else RESNET_34
            return ResNet(self.depths or depths, self.width or 64, self.dtype, name="net")(x, train=train)
        width = self.width or 32
        maps = DenseNet(self.depths or DENSENET_201, width, 2 * width, dtype=self.dtype, name="net")(x, train=train)
        return nn.relu(maps).astype(jnp.promote_types(maps.dtype, jnp.float32)).mean((1, 2))
