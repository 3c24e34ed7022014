"""Networks of the face editor, experiments e7 to e9, and what the other experiments' networks share with them.

The reference is gtesei/facial_unpaired_i2i_translation_SA_C_CC_GAN, models_gan_pytorch_3.py and _4.py.
A generator encodes a picture, joins action units to the smallest map and decodes it again. Pictures are (B, S, S, C) in
[0, 1]; what a generator draws is in (-1, 1), as published: a tanh, though its targets are never negative. Action units
are (B, A) numbers in [0, 1], in the order of `fer_jax.core.labels.AU_NUMBERS` where there are 17.

Sizes follow from the picture's: a transposed convolution is padded to the side of the encoder's map it comes to, where
the reference has constants for 112 pixels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.attention import SelfAttention
from fer_jax.nn.layers import BatchNorm, Conv, ConvTranspose, Dense, InstanceNorm, flatten_channels_first
from fer_jax.nn.warp import MovingHead

Maps = tuple[Any, ...]  # the picture, then what each layer of the encoder makes of it

NORMS = ("none", "batchnorm", "instancenorm")
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "none": lambda x: x,
    "relu": nn.relu,
    "lrelu": nn.leaky_relu,  # slope 0.01
    "lrelu_0.2": lambda x: nn.leaky_relu(x, 0.2),
    "sigmoid": nn.sigmoid,
    "tanh": jnp.tanh,
}
# Initialisers of weights and biases by name; "torch" is PyTorch's default. None in a layer means that.
INITS: dict[str, dict[str, Any]] = {
    "torch": {"kernel_init": None, "bias_init": None},
    "xavier_uniform": {"kernel_init": nn.initializers.xavier_uniform(), "bias_init": nn.initializers.zeros},
    "xavier_normal": {"kernel_init": nn.initializers.xavier_normal(), "bias_init": nn.initializers.zeros},
}
# Names here -> PyTorch names, see fer_jax.interop.torch_names. Paths begin with the collection.
TORCH_NAMES = (
    (r"^(params|batch_stats)(\.|$)", ""),
    (r"\b(enc|dec)_(\d+)\b", r"\1_layers.\2"),
    (r"\bconv_(\d+)\b", r"conv.\1"),
    (r"\b(fc_adv|fc_cls)\.layers_(\d)\.linear$", r"\1.\2.layers.0"),
    (r"\.conv$", ".layers.0"),
    (r"\.norm$", ".layers.1"),
)


class Judgement(NamedTuple):
    """What a critic says of pictures: `adversarial` (B,) and action units (B, A), both raw: no sigmoid."""

    adversarial: jax.Array
    aus: jax.Array


class Unit(nn.Module):
    """Convolution, norm, activation. (B, H, W, I) -> (B, H', W', features).

    Given a `size`, the transposed convolution onto a map of that side: what is lacking is padded at the bottom and
    right. No bias before a norm unless `bias` says so: it has no effect. An instance norm turns a 1 x 1 map into its
    shift, whatever the picture; `fixed` leaves it out there.
    """

    features: int
    kernel: int = 4
    stride: int = 2
    padding: int = 1
    norm: str = "none"
    activation: str = "none"
    bias: bool = False
    affine: bool = True
    scheme: str = "torch"
    fixed: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], *, train: bool = False, size: int | None = None
    ) -> Float[Array, "b p q o"]:
        fields: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "use_bias": self.bias or self.norm == "none",
        }
        fields |= {"dtype": self.dtype, "name": "conv", **INITS[self.scheme]}
        if size is None:
            x = Conv(self.features, self.kernel, **fields)(x)
        else:
            reached = (x.shape[1] - 1) * self.stride - 2 * self.padding + self.kernel
            x = ConvTranspose(self.features, self.kernel, output_padding=size - reached, **fields)(x)
        if self.norm == "batchnorm":
            x = BatchNorm(name="norm")(x, train=train)
        elif self.norm == "instancenorm" and not (self.fixed and x.shape[1] == 1):
            x = InstanceNorm(affine=self.affine, name="norm")(x)
        return ACTIVATIONS[self.activation](x)


class Head(nn.Module):
    """Two linear layers. (B, N) -> (B, outputs), float32 or better. `bias_init` None = as `scheme` says."""

    outputs: int
    hidden: int
    activation: str = "relu"
    scheme: str = "torch"
    bias_init: nn.initializers.Initializer | None = None
    dtype: jnp.dtype | None = None

    def setup(self):
        fields: dict[str, Any] = INITS[self.scheme] | ({"bias_init": self.bias_init} if self.bias_init else {})
        self.layers = [Dense(n, dtype=self.dtype, **fields) for n in (self.hidden, self.outputs)]

    def __call__(self, x: Float[Array, "b n"]) -> Float[Array, "b k"]:
        x = self.layers[1](ACTIVATIONS[self.activation](self.layers[0](x)))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def join(x: jax.Array, *others: jax.Array) -> jax.Array:
    """Channels of maps (B, H, W, *) side by side; vectors (B, A) are repeated over the positions."""
    maps = [o if o.ndim == 4 else jnp.broadcast_to(o[:, None, None, :], (*x.shape[:3], o.shape[1])) for o in others]
    return jnp.concatenate([x, *(m.astype(x.dtype) for m in maps)], -1)


def widths(width: int, layers: int, most: int) -> list[int]:
    """Channels of an encoder's layers: doubled each time, `most` at most."""
    return [min(width * 2**i, most) for i in range(layers)]


class Generator(nn.Module):
    """e7 (`inject_layers` 0), e8 and e9 (1): five halvings, the action units, five doublings.

    Layer i of the decoder is followed by the encoder's map of the same side where i < `shortcut_layers` and by the
    action units once more where i < `inject_layers`; neither by the last layer.

    Not in the published network: `attention` n > 0 puts self-attention on the decoder's map that has the side of the
    encoder's n-th layer's. `mask` is GANimation's head (Pumarola et al., ECCV 2018): beside a colour picture, tanh as
    without it, one channel A in (0, 1) says how much of the input stays: (1 - A) * colour + A * input. `warp` puts
    `MovingHead` in the place of the last layer.
    """

    channels: int = 3
    width: int = 64
    layers: int = 5
    max_width: int = 1024
    shortcut_layers: int = 1
    inject_layers: int = 1
    norm: str = "batchnorm"
    activation: str = "lrelu"
    decoder_activation: str = "relu"
    attention: int = 0
    mask: bool = False
    warp: bool = False
    dtype: jnp.dtype | None = None

    def setup(self):
        features = widths(self.width, self.layers, self.max_width)
        self.enc = [Unit(n, norm=self.norm, activation=self.activation, dtype=self.dtype) for n in features]
        inner = [Unit(n, norm=self.norm, activation=self.decoder_activation, dtype=self.dtype) for n in features[:0:-1]]
        self.dec = inner if self.warp else [*inner, Unit(self.channels + self.mask, dtype=self.dtype)]
        if self.attention:
            self.attend = SelfAttention(dtype=self.dtype)
        if self.warp:
            self.head = MovingHead(self.channels, self.dtype)

    def encode(self, x: Float[Array, "b s s c"], *, train: bool) -> Maps:
        maps: Maps = (x,)
        for layer in self.enc:
            maps = (*maps, layer(maps[-1], train=train))
        return maps

    def decode(self, maps: Maps, aus: Float[Array, "b a"], *, train: bool) -> Float[Array, "b s s c"]:
        last = self.layers - 1
        x, picture = join(maps[-1], aus), maps[0]
        for i, layer in enumerate(self.dec[:last]):
            target = maps[last - i]
            x = layer(x, train=train, size=target.shape[1])
            if self.attention and last - i == self.attention:
                x = self.attend(x)
            if i < self.shortcut_layers:
                x = join(x, target)
            if i < self.inject_layers:
                x = join(x, aus)
        if self.warp:
            return self.head(x, picture)
        return drawn(self.dec[-1](x, train=train, size=picture.shape[1]), picture, mask=self.mask)

    def __call__(self, x: jax.Array, aus: jax.Array, *, train: bool) -> jax.Array:
        return self.decode(self.encode(x, train=train), aus, train=train)


def drawn(x: Float[Array, "b h w c"], picture: Float[Array, "b h w p"], *, mask: bool) -> Float[Array, "b h w p"]:
    """A generator's last map -> colours in (-1, 1); with a mask, its last channel, mixed with the input picture.

    The mask says how much of the input stays (Pumarola et al., ECCV 2018).
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    if not mask:
        return jnp.tanh(x)
    colour, keep = jnp.tanh(x[..., :-1]), nn.sigmoid(x[..., -1:])
    return (1 - keep) * colour + keep * picture


class Critic(nn.Module):
    """e7 to e9: five halvings and two heads of their own hidden layers. (B, S, S, C) -> Judgement.

    `attention` as in the generator, after layer n.
    """

    aus: int = 17
    width: int = 64
    layers: int = 5
    max_width: int = 1024
    norm: str = "instancenorm"
    activation: str = "lrelu"
    hidden: int = 1024
    hidden_activation: str = "relu"
    attention: int = 0
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"]) -> Judgement:
        for i, features in enumerate(widths(self.width, self.layers, self.max_width)):
            x = Unit(features, norm=self.norm, activation=self.activation, dtype=self.dtype, name=f"conv_{i}")(x)
            if i + 1 == self.attention:
                x = SelfAttention(dtype=self.dtype, name="attend")(x)
        x = flatten_channels_first(x)
        adversarial = Head(1, self.hidden, self.hidden_activation, dtype=self.dtype, name="fc_adv")(x)
        aus = Head(self.aus, self.hidden, self.hidden_activation, dtype=self.dtype, name="fc_cls")(x)
        return Judgement(adversarial[:, 0], aus)
