"""Networks that name the expression in a picture: a backbone and a head (reference: `EmotionNet` of the FER2013 study).

Images are (B, S, S, C), normalised by the caller.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.backbones import Backbone
from fer_jax.nn.layers import Dense

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
