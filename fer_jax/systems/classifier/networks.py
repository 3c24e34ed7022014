"""Networks that name the expression in a picture: a backbone and a head (reference: `EmotionNet` of the FER2013 study).

Pictures are (B, S, S, C), normalised by the caller. Backbones: torchvision's ResNet-18, ResNet-34 and DenseNet-201, for
pictures of 224 pixels, and `compact`, for 48 (`fer_jax.nn.compact`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn import compact
from fer_jax.nn.compact import Compact
from fer_jax.nn.densenet import DENSENET_201, DenseNet
from fer_jax.nn.layers import Dense
from fer_jax.nn.resnet import RESNET_18, RESNET_34, ResNet

BACKBONES = ("resnet18", "resnet34", "densenet201", "compact")
HEADS = ("linear", "mlp")
_HIDDEN = 128  # of the head that the reference puts on a BYOL backbone


class Said(NamedTuple):
    """What a network says of B pictures.

    Attributes:
      features: (B, F), what the head sees.
      logits: (B, K) of the classes.
      votes: (B, V) logits of how people voted, None where the network has no such head.
    """

    features: jax.Array
    logits: jax.Array
    votes: jax.Array | None


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


class EmotionNet(nn.Module):
    """(B, S, S, C) -> `Said`.

    Attributes:
      classes: number of expressions, K.
      backbone, depths, width: see `Backbone`.
      head: "linear", or "mlp", with a hidden layer of 128 as the reference has on a BYOL backbone.
      votes: number of answers that people could give, V; 0 = no head for them.
    """

    classes: int
    backbone: str = "resnet18"
    depths: tuple[int, ...] = ()
    width: int = 0
    head: str = "linear"
    votes: int = 0
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Said:
        body = Backbone(self.backbone, self.depths, self.width, self.dtype, name="body")
        features = body(x, train=train)
        hidden = features
        if self.head == "mlp":
            hidden = nn.relu(Dense(_HIDDEN, name="hidden")(features))
        votes = Dense(self.votes, name="votes")(hidden) if self.votes else None
        return Said(features, Dense(self.classes, name="head")(hidden), votes)
