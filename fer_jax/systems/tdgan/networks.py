"""Networks of TDGAN (Xie, Hu, Chen, IEEE TCSVT 31(6), 2021; reference: XsLangley/TDGAN models.py).

Pictures are (B, S, S, C) in [0, 1], S a multiple of 16; the published size is S = 128, C = 1. `width` is the number
of channels after the first convolution (published: 32); every other width is a multiple of it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv, ConvTranspose, Dense, InstanceNorm, flatten_channels_first, max_pool


def _normal(published_inputs: int) -> nn.initializers.Initializer:
    """N(0, 0.02) in a layer of the published size; a layer with fewer inputs keeps the variance of its output.

    Departure for other widths and picture sizes only: with 0.02 throughout, a head at 48 x 48 pixels starts with tiny
    logits and learns slowly.
    """

    def init(key, shape, dtype=jnp.float32):
        return jax.random.normal(key, shape, dtype) * 0.02 * math.sqrt(published_inputs / math.prod(shape[:-1]))

    return init


# Names here -> PyTorch names (regular expressions, applied in this order by fer_jax.interop.torch_names). The reference
# wraps most layers in a Sequential, hence the zeros.
TORCH_NAMES = (
    (r"\b(conv\d)\.(conv|norm)\b", r"\1.0.\2"),
    (r"\bnorm\b", "bn"),
    (r"\bentry\b", "branch{0,1,2}.0"),
    (r"\brepeat_(\d)", r"repeat.\1"),
    (r"\bbranch(\d)_(\d)", r"branch\1.\2"),
    (r"\bemb2_(\d)", r"emb2.\1.infer.0"),
    (r"\b(emb1|us\d)\b", r"\1.0"),
    (r"\.linear\b", ""),
    (r"\b(enc|fc)_fr\b", r"\1_FR"),
    (r"\b(enc|fc)_er\b", r"\1_ER"),
)


class Unit(nn.Module):
    """Convolution without bias, instance norm (eps 1e-3, affine), ReLU. (B, H, W, I) -> (B, H, W, features)."""

    features: int
    kernel: int
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Conv(self.features, self.kernel, padding=self.kernel // 2, use_bias=False, dtype=self.dtype, name="conv")(x)
        return nn.relu(InstanceNorm(epsilon=1e-3, affine=True, name="norm")(x))


class InceptionResidualBlock(nn.Module):
    """Three branches of 1x1 and 3x3 units, joined by a 1x1 convolution, scaled and added. (B, H, W, C) -> same.

    The branches begin with a 1x1 unit each, on the same input: one unit three times as wide, whose kernel holds the
    reference's three side by side.
    """

    dtype: jnp.dtype | None = None
    scale: float = 0.17

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        features = x.shape[-1] // 4
        first = Unit(3 * features, 1, self.dtype, name="entry")(x)
        branch0, branch1, branch2 = jnp.split(first, 3, -1)
        branch1 = Unit(features, 3, self.dtype, name="branch1_1")(branch1)
        branch2 = Unit(features, 3, self.dtype, name="branch2_1")(branch2)
        branch2 = Unit(features, 3, self.dtype, name="branch2_2")(branch2)
        y = Conv(x.shape[-1], 1, dtype=self.dtype, name="conv2d")(jnp.concatenate([branch0, branch1, branch2], -1))
        return nn.relu(self.scale * y + x)


class Encoder(nn.Module):
    """(B, S, S, C) in [0, 1] -> features (B, S/16, S/16, 4 * width), >= 0."""

    width: int = 32
    blocks: int = 4
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"]) -> Float[Array, "b p p f"]:
        def shrink(x):
            return max_pool(x, 3, 2, ceil_mode=True)

        x = shrink(Unit(self.width, 5, self.dtype, name="conv1")(x))
        x = shrink(Unit(2 * self.width, 5, self.dtype, name="conv2")(x))
        for block in range(self.blocks):
            x = InceptionResidualBlock(self.dtype, name=f"repeat_{block}")(x)
        x = shrink(Unit(4 * self.width, 5, self.dtype, name="conv3")(x))
        return shrink(Unit(4 * self.width, 5, self.dtype, name="conv4")(x))


class Head(nn.Module):
    """Classifier on encoder features. (B, P, P, F) -> logits (B, classes). Dropout 0.5 before both hidden layers."""

    classes: int
    hidden: int = 1024
    dropout: float = 0.5
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, features: Float[Array, "b p p f"], *, train: bool) -> Float[Array, "b k"]:
        def dense(width, name, published_inputs=1024):
            init = _normal(published_inputs)
            return Dense(width, kernel_init=init, bias_init=nn.initializers.zeros, dtype=self.dtype, name=name)

        x = flatten_channels_first(features)
        x = nn.relu(dense(self.hidden, "fc1", 8 * 8 * 128)(nn.Dropout(self.dropout, deterministic=not train)(x)))
        x = nn.relu(dense(self.hidden, "fc2")(nn.Dropout(self.dropout, deterministic=not train)(x)))
        return dense(self.classes, "fc3")(x).astype(jnp.promote_types(x.dtype, jnp.float32))


class Decoder(nn.Module):
    """Embedding and transposed convolutions. Features (B, P, P, F) twice, noise (B, P, P, Z) -> (B, S, S, C).

    The inputs are joined in this order: expression, face, noise (spec of the weights). The picture is in (0, 1).
    """

    channels: int = 1
    width: int = 32
    blocks: int = 6
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, expression: jax.Array, face: jax.Array, noise: jax.Array) -> Float[Array, "b s s c"]:
        def embed(name, published_inputs=3 * 3 * 128):
            return Conv(
                4 * self.width, 3, padding=1, kernel_init=_normal(published_inputs), dtype=self.dtype, name=name
            )

        x = nn.relu(embed("emb1", 3 * 3 * 512)(jnp.concatenate([expression, face, noise.astype(expression.dtype)], -1)))
        for block in range(self.blocks):
            x = x + nn.relu(embed(f"emb2_{block}")(x))
        published_channels = 128
        for stage, factor in enumerate((16, 8, 4, 2), start=1):
            x = ConvTranspose(
                factor * self.width,
                4,
                stride=2,
                padding=1,
                use_bias=False,
                kernel_init=_normal(4 * 4 * published_channels),
                dtype=self.dtype,
                name=f"us{stage}",
            )(x)
            published_channels = factor * 32
            x = nn.relu(InstanceNorm(epsilon=1e-5)(x))
        x = ConvTranspose(
            self.channels, 3, padding=1, use_bias=False, kernel_init=_normal(3 * 3 * 64), dtype=self.dtype, name="us5"
        )(x)
        return nn.sigmoid(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


class Codes(NamedTuple):
    """Encoder features of a picture pair, each (B, P, P, F)."""

    face: jax.Array
    expression: jax.Array


class Generator(nn.Module):
    """Two encoders and the decoder: the face of one picture with the expression of another.

    M_ER, the recogniser, is this network's expression encoder with a `Head` of its own. `decoder_width` is the
    decoder's `width`; 0 = the encoders', as published.
    """

    channels: int = 1
    width: int = 32
    noise: int = 256
    blocks: int = 6
    decoder_width: int = 0
    dtype: jnp.dtype | None = None

    def setup(self):
        self.enc_fr = Encoder(self.width, dtype=self.dtype)
        self.enc_er = Encoder(self.width, dtype=self.dtype)
        self.dec = Decoder(self.channels, self.decoder_width or self.width, self.blocks, self.dtype)

    def encode_face(self, face: jax.Array) -> jax.Array:
        """(B, S, S, C) -> (B, S/16, S/16, 4 * width)."""
        return self.enc_fr(face)

    def encode_expression(self, expression: jax.Array) -> jax.Array:
        """(B, S, S, C) -> (B, S/16, S/16, 4 * width)."""
        return self.enc_er(expression)

    def decode(self, codes: Codes, noise: jax.Array) -> jax.Array:
        """Codes and noise (B, S/16, S/16, noise) in [0, 1) -> picture (B, S, S, C) in (0, 1)."""
        return self.dec(codes.expression, codes.face, noise)

    def __call__(self, face: jax.Array, expression: jax.Array, noise: jax.Array) -> tuple[jax.Array, Codes]:
        """Pictures (B, S, S, C) in [0, 1] -> generated picture and the codes it was made from."""
        codes = Codes(self.encode_face(face), self.encode_expression(expression))
        return self.decode(codes, noise), codes


class Judgement(NamedTuple):
    """A discriminator's trunk features (B, P, P, F) and logits (B, classes)."""

    features: jax.Array
    logits: jax.Array


class Discriminator(nn.Module):
    """Encoder trunk and classifier head. (B, S, S, C) in [0, 1] -> Judgement."""

    classes: int
    width: int = 32
    hidden: int = 1024
    dropout: float = 0.5
    dtype: jnp.dtype | None = None

    def setup(self):
        self.enc = Encoder(self.width, dtype=self.dtype)
        self.fc = Head(self.classes, self.hidden, self.dropout, self.dtype)

    def trunk(self, x: jax.Array) -> jax.Array:
        """Features alone, (B, S/16, S/16, 4 * width): what the perceptual loss needs of real pictures."""
        return self.enc(x)

    def __call__(self, x: jax.Array, *, train: bool) -> Judgement:
        """(B, S, S, C) in [0, 1] -> trunk features and logits."""
        features = self.trunk(x)
        return Judgement(features, self.fc(features, train=train))
