"""Networks of experiments e5 and e6 (models_gan_pytorch.py and models_gan_pytorch_2_bottlenec5x5.py of the reference).

They end in an instance norm each where there is nothing to normalise over: the critic's last map has 1 x 1 pixels, and
so has e5's bottleneck. Such a norm gives the same for every picture, so the published critics say the same of all
pictures, their gradients are 0, and the generators learn to reconstruct and nothing else. That is the default;
`fixed` leaves those norms out. `fer_jax.systems.au_cyclegan.networks` has the conventions.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv, flatten_channels_first
from fer_jax.systems.au_cyclegan.networks import INITS, Head, Judgement, Maps, Unit, join, widths

TORCH_NAMES = (
    (r"^(params|batch_stats)(\.|$)", ""),
    (r"\b(enc|dec)_(\d+)\b", r"\1_layers.\2"),
    *((rf"\bnet_{i}\.conv$", f"net.{max(3 * i - 1, 0)}") for i in range(10)),  # each norm and activation has a number
    *((rf"\b(gan_task|au_reg_task)\.layers_{i}\.linear$", rf"\g<1>.{2 * i}") for i in range(2)),
    (r"\.conv$", ".layers.0"),
    (r"\.norm$", ".layers.1"),
)
_SLOPE = "lrelu_0.2"


class EarlyGenerator(nn.Module):
    """e5, or e6 with kernels of 4 and strides of 2. (B, S, S, C), (B, A) -> (B, S, S, C), of any size: no tanh.

    Every layer has a bias, an affine instance norm and a leaky ReLU, the last one too. The one skip is of the encoder's
    last map but one; in e5 it is all that reaches the output of the picture, unless `fixed`.
    """

    channels: int = 3
    width: int = 64
    kernels: tuple[int, ...] = (6, 6, 6, 6)
    strides: tuple[int, ...] = (3, 2, 2, 2)
    scheme: str = "xavier_uniform"
    fixed: bool = False
    dtype: jnp.dtype | None = None

    def setup(self):
        features = widths(self.width, len(self.kernels), self.width * 2 ** len(self.kernels))

        shared: dict[str, Any] = {"bias": True, "scheme": self.scheme, "fixed": self.fixed, "dtype": self.dtype}

        def units(features, kernels, strides):
            sizes = zip(features, kernels, strides, strict=True)
            return [Unit(n, k, s, 0, "instancenorm", _SLOPE, **shared) for n, k, s in sizes]

        self.enc = units(features, self.kernels, self.strides)
        self.conv_1_1 = Conv(features[-1], 1, dtype=self.dtype, **INITS[self.scheme])
        self.dec = units([*features[-2::-1], self.channels], self.kernels[::-1], self.strides[::-1])

    def encode(self, x: Float[Array, "b s s c"], *, train: bool) -> Maps:
        del train  # instance norms do the same in both
        maps: Maps = (x,)
        for layer in self.enc:
            maps = (*maps, layer(maps[-1]))
        return maps

    def decode(self, maps: Maps, aus: Float[Array, "b a"], *, train: bool) -> Float[Array, "b s s c"]:
        del train
        x = self.conv_1_1(join(maps[-1], aus))
        for i, layer in enumerate(self.dec):
            target = maps[-2 - i]
            x = layer(x, size=target.shape[1])
            if i == 0:
                x = join(x, target)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def __call__(self, x: jax.Array, aus: jax.Array, *, train: bool) -> jax.Array:
        return self.decode(self.encode(x, train=train), aus, train=train)


class EarlyCritic(nn.Module):
    """e5 and e6. (B, S, S, C) -> Judgement, the same for every picture unless `fixed` (see above)."""

    aus: int = 17
    width: int = 64
    kernels: tuple[int, ...] = (6, 6, 6, 6)
    strides: tuple[int, ...] = (3, 2, 2, 2)
    hidden: int = 512
    scheme: str = "xavier_uniform"
    fixed: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"]) -> Judgement:
        features = widths(self.width, len(self.kernels), self.width * 2 ** len(self.kernels))
        shared: dict[str, Any] = {
            "bias": True,
            "affine": False,
            "scheme": self.scheme,
            "fixed": self.fixed,
            "dtype": self.dtype,
        }
        for i, (n, k, s) in enumerate(zip(features, self.kernels, self.strides, strict=True)):
            norm = "instancenorm" if i else "none"
            x = Unit(n, k, s, 0, norm, _SLOPE, **shared, name=f"net_{i}")(x)
        x = flatten_channels_first(x)
        bias = nn.initializers.constant(0.01) if self.scheme == "xavier_uniform" else None
        heads: dict[str, Any] = {"hidden": self.hidden, "scheme": self.scheme, "bias_init": bias, "dtype": self.dtype}
        adversarial = Head(1, **heads, name="gan_task")(x)
        return Judgement(adversarial[:, 0], Head(self.aus, **heads, name="au_reg_task")(x))
