"""Inception-v3 (Szegedy et al., CVPR 2016) up to its 2048 pooled features, in two forms. Evaluation only.

"torchvision" is the network that torchvision trained on ImageNet; "fid" the one of TensorFlow's 2015 graph, whose
features the Fréchet inception distance is defined on (as pytorch-fid rebuilt it). They have the same tensors and
differ in pooling: where the padding of an average counts as zeros in the first, it is left out in the second; and the
last block's pool branch, an average in the first, takes the maximum in the second.

The modules' names are torchvision's, so that the tensors of its state dicts fit without renaming.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from fer_jax.nn.layers import BatchNorm, Conv, max_pool

FORMS = ("torchvision", "fid")
SIZE = 299  # pixels that both were trained at
FEATURES = 2048
_EPSILON = 1e-3  # TensorFlow's, of every norm
_LAST = "Mixed_7c"

Chain = tuple[tuple[str, int, tuple[int, int]], ...]  # name, maps, kernel of each unit


class Unit(nn.Module):
    """Convolution, norm with running statistics, ReLU. (B, H, W, C) -> (B, H', W', features).

    `same` pads so that stride 1 keeps the size; else there is no padding.
    """

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    same: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        rows, cols = (side // 2 if self.same else 0 for side in self.kernel)
        pads = ((rows, rows), (cols, cols))
        x = Conv(self.features, self.kernel, self.stride, pads, use_bias=False, name="conv")(x)
        return nn.relu(BatchNorm(_EPSILON, name="bn")(x, train=False))


class Block(nn.Module):
    """Chains of units side by side, and a pool. (B, H, W, C) -> (B, H', W', all their maps).

    Attributes:
      chains: of units; what they give is concatenated in this order.
      pooled: maps of the unit behind the pool; 0 = none, the pool's maps are the block's.
      pool: "zeros" is a 3x3 average that counts the padding as zeros, "inside" one that leaves it out, "max" the
        largest.
      reduce: the last unit of every chain and the pool (then a maximum) have stride 2 and no padding.
    """

    chains: tuple[Chain, ...]
    pooled: int
    pool: str
    reduce: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q d"]:
        made: dict[str, jax.Array] = {}  # chains may start alike, and share those units
        parts = []
        for chain in self.chains:
            y = x
            for name, features, kernel in chain:
                if name not in made:
                    last = self.reduce and name == chain[-1][0]
                    made[name] = Unit(features, kernel, 2 if last else 1, not last, name=name)(y)
                y = made[name]
            parts.append(y)
        if self.reduce:
            pool = max_pool(x, 3, 2)
        elif self.pool == "max":
            pool = max_pool(x, 3, 1, 1)
        else:
            pool = _average(x, inside=self.pool == "inside")
        parts.append(Unit(self.pooled, (1, 1), name="branch_pool")(pool) if self.pooled else pool)
        return jnp.concatenate(parts, -1)


def _average(x: jax.Array, *, inside: bool) -> jax.Array:
    """3x3 means at stride 1. (B, H, W, C) -> (B, H, W, C); the divisor is 9, or the values `inside` the picture."""

    def sums(y):
        return lax.reduce_window(y, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))

    return sums(x) / (sums(jnp.ones((1, *x.shape[1:3], 1), x.dtype)) if inside else 9)


def _chain(name: str, *units: tuple[int, tuple[int, int]]) -> Chain:
    """Units numbered from 1, ``branch5x5_1``; a single one has no number."""
    names = [name] if len(units) == 1 else [f"{name}_{i}" for i in range(1, len(units) + 1)]
    return tuple((name, *unit) for name, unit in zip(names, units, strict=True))


def _wide(maps: int) -> tuple[Chain, ...]:
    """Chains of a 17x17 block: 7x7 convolutions as 1x7 and 7x1 ones, `maps` in between."""
    row, col = (1, 7), (7, 1)
    return (
        _chain("branch1x1", (192, (1, 1))),
        _chain("branch7x7", (maps, (1, 1)), (maps, row), (192, col)),
        _chain("branch7x7dbl", (maps, (1, 1)), (maps, col), (maps, row), (maps, col), (192, row)),
    )


_FINE = (  # 35x35
    _chain("branch1x1", (64, (1, 1))),
    _chain("branch5x5", (48, (1, 1)), (64, (5, 5))),
    _chain("branch3x3dbl", (64, (1, 1)), (96, (3, 3)), (96, (3, 3))),
)
_START, _START_DOUBLE = ("branch3x3_1", 384, (1, 1)), (("branch3x3dbl_1", 448, (1, 1)), ("branch3x3dbl_2", 384, (3, 3)))
_COARSE = (  # 8x8: two chains fork at their ends
    _chain("branch1x1", (320, (1, 1))),
    (_START, ("branch3x3_2a", 384, (1, 3))),
    (_START, ("branch3x3_2b", 384, (3, 1))),
    (*_START_DOUBLE, ("branch3x3dbl_3a", 384, (1, 3))),
    (*_START_DOUBLE, ("branch3x3dbl_3b", 384, (3, 1))),
)
# name, chains, maps of the pool branch, whether it halves the map
BLOCKS: tuple[tuple[str, tuple[Chain, ...], int, bool], ...] = (
    ("Mixed_5b", _FINE, 32, False),
    ("Mixed_5c", _FINE, 64, False),
    ("Mixed_5d", _FINE, 64, False),
    (
        "Mixed_6a",
        (_chain("branch3x3", (384, (3, 3))), _chain("branch3x3dbl", (64, (1, 1)), (96, (3, 3)), (96, (3, 3)))),
        0,
        True,
    ),
    ("Mixed_6b", _wide(128), 192, False),
    ("Mixed_6c", _wide(160), 192, False),
    ("Mixed_6d", _wide(160), 192, False),
    ("Mixed_6e", _wide(192), 192, False),
    (
        "Mixed_7a",
        (
            _chain("branch3x3", (192, (1, 1)), (320, (3, 3))),
            _chain("branch7x7x3", (192, (1, 1)), (192, (1, 7)), (192, (7, 1)), (192, (3, 3))),
        ),
        0,
        True,
    ),
    ("Mixed_7b", _COARSE, 192, False),
    (_LAST, _COARSE, 192, False),
)


class Inception(nn.Module):
    """(B, S, S, 3) in [-1, 1], S at least 75 and published as 299, -> the features (B, 2048).

    Attributes:
      form: one of `FORMS`.
    """

    form: str

    @nn.compact
    def __call__(self, x: Float[Array, "b s s 3"]) -> Float[Array, "b f"]:
        if self.form not in FORMS:
            raise ValueError(f"Inception: form {self.form!r} is not one of {', '.join(FORMS)}")
        x = Unit(32, (3, 3), 2, same=False, name="Conv2d_1a_3x3")(x)
        x = Unit(32, (3, 3), same=False, name="Conv2d_2a_3x3")(x)
        x = max_pool(Unit(64, (3, 3), name="Conv2d_2b_3x3")(x), 3, 2)
        x = Unit(80, (1, 1), name="Conv2d_3b_1x1")(x)
        x = max_pool(Unit(192, (3, 3), same=False, name="Conv2d_4a_3x3")(x), 3, 2)
        for name, chains, pooled, reduce in BLOCKS:
            pool = "zeros"
            if self.form == "fid":
                pool = "max" if name == _LAST else "inside"
            x = Block(chains, pooled, pool, reduce, name=name)(x)
        return x.mean((1, 2))
