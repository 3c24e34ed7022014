"""The network that judges edited faces: action units, expression and identity from one picture.

Ours, of no publication. A small DenseNet with three heads; pictures are (B, S, S, C) in [0, 1].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.densenet import DenseNet
from fer_jax.nn.layers import Dense


class Judgement(NamedTuple):
    """What the judge says of B pictures.

    Attributes:
      features: (B, F), the pooled maps that all heads see.
      aus: (B, A) logits; their sigmoid is the expected intensity, in [0, 1].
      logits: (B, K) of the expressions.
      identity: (B, E) unit vectors; the dot product of two is their likeness, in [-1, 1].
    """

    features: jax.Array
    aus: jax.Array
    logits: jax.Array
    identity: jax.Array


class FaceEvaluatorNet(nn.Module):
    """(B, S, S, C) -> `Judgement`.

    Attributes:
      aus: number of action units, A.
      classes: number of expressions, K.
      embedding: length of the identity vectors, E.
      depths: layers of DenseNet's blocks.
      width: DenseNet's growth (its first convolution has twice as many maps).
    """

    aus: int
    classes: int
    embedding: int = 64
    depths: tuple[int, ...] = (3, 4, 4)
    width: int = 16
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], *, train: bool) -> Judgement:
        maps = DenseNet(self.depths, self.width, 2 * self.width, dtype=self.dtype, name="features")(
            2 * x - 1, train=train
        )
        pooled = nn.relu(maps).astype(jnp.promote_types(maps.dtype, jnp.float32)).mean((1, 2))
        code = Dense(self.embedding, name="identity")(pooled)
        return Judgement(
            features=pooled,
            aus=Dense(self.aus, name="aus")(pooled),
            logits=Dense(self.classes, name="expression")(pooled),
            identity=code / jnp.linalg.norm(code, axis=-1, keepdims=True).clip(1e-6),
        )


class Gallery(nn.Module):
    """One unit vector for each person of training. Codes (B, E) -> their cosine with each, times `scale` (B, N)."""

    people: int
    scale: float = 16.0

    @nn.compact
    def __call__(self, code: Float[Array, "b e"]) -> Float[Array, "b n"]:
        faces = self.param("faces", nn.initializers.normal(1.0), (self.people, code.shape[-1]))
        return self.scale * code @ (faces / jnp.linalg.norm(faces, axis=-1, keepdims=True)).T
