"""BYOL (Grill et al., NeurIPS 2020) as lightly 1.5 builds it and the FER2013 study uses it.

A backbone, a projector, and a predictor that foretells what a slowly moving copy of the first two makes of another view
of the same picture. Pictures are (B, S, S, C), normalised by the caller.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.backbones import Backbone
from fer_jax.nn.layers import BatchNorm, Dense

COPIED = ("backbone", "projection_head")  # parts that the moving copy has


class Mlp(nn.Module):
    """Linear without bias, norm, ReLU, linear. (B, I) -> (B, features); names as in lightly's heads."""

    hidden: int
    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b i"], *, train: bool) -> Float[Array, "b o"]:
        x = Dense(self.hidden, use_bias=False, name="layers_0")(x)
        x = nn.relu(BatchNorm(name="layers_1")(x, train=train))
        return Dense(self.features, name="layers_3")(x)


class Seen(NamedTuple):
    """Features (B, F), their projection (B, E), and what the predictor says (B, E), None for the moving copy."""

    features: jax.Array
    projection: jax.Array
    prediction: jax.Array | None


class Byol(nn.Module):
    """(B, S, S, C) -> `Seen`.

    Attributes:
      backbone, depths, width: see `fer_jax.nn.backbones.Backbone`.
      hidden: width of both heads inside (published: 1024).
      embedding: E (published: 256).
    """

    backbone: str = "resnet18"
    depths: tuple[int, ...] = ()
    width: int = 0
    hidden: int = 1024
    embedding: int = 256
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool, predict: bool = True) -> Seen:
        """`predict` False leaves the predictor out, as the moving copy does."""
        body = Backbone(self.backbone, self.depths, self.width, self.dtype, name="backbone")
        features = body(x, train=train)
        projection = Mlp(self.hidden, self.embedding, name="projection_head")(features, train=train)
        if not predict:
            return Seen(features, projection, None)
        prediction = Mlp(self.hidden, self.embedding, name="prediction_head")(projection, train=train)
        return Seen(features, projection, prediction)
