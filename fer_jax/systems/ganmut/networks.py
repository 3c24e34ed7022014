"""Networks of GANmut (d'Apolito, Paudel, Huang, Romero, Van Gool, CVPR 2021), and the space of expressions it learns.

A generator draws a face again at a point of a small space, 2-D or 3-D, whose geometry it learns beside its layers.
Pictures are (B, S, S, C) in [-1, 1], channels in the reference's order (blue, green, red); points are (B, D) numbers.

*Linear* space: each class but neutral has a direction from the origin, which is neutral; the distance is intensity.
*Gaussian* space: each class has a normal distribution in [-1, 1]^D; classes at a point go by Mahalanobis distance.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv, ConvTranspose, InstanceNorm, torch_uniform
from fer_jax.nn.warp import MovingHead

SPACES = ("linear", "gaussian")
NEUTRAL_RADIUS = 0.2  # of the linear space: a point this near to the origin is neutral
_SMALLEST = 1e-6  # of a covariance's axes; departure: the reference divides by 0 there
_RIDGE = 1e-4  # added to covariances in 3-D, so that they can be inverted

# Names here -> PyTorch names, see fer_jax.interop.torch_names. Layers are called by their place in the reference's
# Sequential, which counts activations; paths begin with the collection.
TORCH_NAMES = (
    (r"^(params|batch_stats|unused)(\.|$)", ""),
    (r"^(trunk|space)\.", ""),
    (r"\bmain_(\d+)", r"main.\1"),
)


class Rays(NamedTuple):
    """A linear space: `directions` (K, D) of length 1, but for the first class, neutral, which has none (zeros)."""

    directions: jax.Array

    def at(self, labels: jax.Array, strengths: jax.Array) -> jax.Array:
        """Points (B, D) of classes (B,) at distances (B,) from the origin; neutral is the origin."""
        return self.directions[labels] * strengths[:, None]

    def modes(self, strength: float) -> jax.Array:
        """A point (K, D) of each class."""
        return self.directions * strength

    def label(self, points: jax.Array) -> jax.Array:
        """Class (B,) of points (B, D): neutral near the origin, else the direction with the greatest cosine."""
        along = (points[:, None] * self.directions[1:]).sum(-1)
        return jnp.where(lengths(points) <= NEUTRAL_RADIUS, 0, 1 + along.argmax(1))


class Normals(NamedTuple):
    """A Gaussian space: `centres` (K, D) before the tanh that keeps them in (-1, 1), and `precisions` (K, D, D)."""

    raw: jax.Array
    precisions: jax.Array

    @property
    def centres(self) -> jax.Array:
        """(K, D) in (-1, 1)."""
        return jnp.tanh(self.raw)

    def distances(self, points: jax.Array) -> jax.Array:
        """Squared Mahalanobis distances (B, K) of points (B, D). Their negatives are the classes' logits there."""
        off = points[:, None] - self.centres
        # Products and sums, no matrix product: accelerators round the operands of those.
        return (off[..., :, None] * self.precisions * off[..., None, :]).sum((-2, -1))

    def label(self, points: jax.Array) -> jax.Array:
        """Class (B,) of points (B, D): that of the least distance."""
        return self.distances(points).argmin(1)


def lengths(x: jax.Array) -> jax.Array:
    """L2 norms (...,) of vectors (..., D), with the derivative 0 at 0."""
    squares = jnp.square(x).sum(-1)
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)


class Matrix(nn.Module):
    """A learned matrix, in PyTorch's layout."""

    shape: tuple[int, ...]
    init_value: Any

    @nn.compact
    def __call__(self) -> jax.Array:
        return self.param("weight", self.init_value, self.shape)


class LinearSpace(nn.Module):
    """-> Rays. Directions start short, so that small steps turn them.

    The reference's layer has a bias that nothing uses; it is kept, in a collection of its own, for its files.
    """

    classes: int
    dimensions: int

    @nn.compact
    def __call__(self) -> Rays:
        uniform = torch_uniform(self.dimensions)
        axes = Axes(
            (self.classes - 1, self.dimensions), lambda key, shape: 1e-4 * uniform(key, shape, jnp.float32), name="axes"
        )()
        axes = axes / jnp.maximum(lengths(axes), 1e-12)[:, None]
        return Rays(jnp.concatenate([jnp.zeros_like(axes[:1]), axes]))


class Axes(Matrix):
    """A matrix beside a bias that nothing uses."""

    @nn.compact
    def __call__(self) -> jax.Array:
        if self.is_initializing():
            bound = torch_uniform(self.shape[-1])
            self.variable("unused", "bias", lambda: bound(self.make_rng("params"), self.shape[:1]))
        return self.param("weight", self.init_value, self.shape)


class GaussianSpace(nn.Module):
    """-> Normals, 2-D or 3-D.

    In 2-D a covariance has the axes |l1|, |l2|, turned by an angle. In 3-D it is M M^T + 1e-4 I, with a block M of the
    parameters for each class. `reference`: as the reference has it in 3-D, M + M^T with M the columns k to k + 2 of
    class k, where 3k to 3k + 2 are meant: neighbours share columns, the rest is never used, and "distances" can be
    negative.
    """

    classes: int
    dimensions: int
    reference: bool = False

    @nn.compact
    def __call__(self) -> Normals:
        def matrix(name, shape, init):
            return Matrix(shape, init, name=name)()

        raw = matrix("mu", (self.classes, self.dimensions), torch_uniform(self.dimensions))
        if self.dimensions == 2:
            angles = matrix("covariance_angles", (1, self.classes), nn.initializers.zeros)[0]
            axes = matrix("covariance_axes", (self.classes, 2), nn.initializers.ones)
            return Normals(raw, _precisions_2d(angles, axes))
        columns = 3 * self.classes
        values = matrix("covariances_list", (3, columns), torch_uniform(columns))
        step = 1 if self.reference else 3
        blocks = jnp.stack([values[:, step * k : step * k + 3] for k in range(self.classes)])
        transposed = blocks.swapaxes(1, 2)
        if self.reference:
            return Normals(raw, jnp.linalg.inv(blocks + transposed))
        squares = (blocks[:, :, None] * blocks[:, None]).sum(-1)  # M M^T, exact on every platform
        return Normals(raw, jnp.linalg.inv(squares + _RIDGE * jnp.eye(3, dtype=squares.dtype)))


def _precisions_2d(angles: jax.Array, axes: jax.Array) -> jax.Array:
    """Inverses (K, 2, 2) of covariances with axes |axes| (K, 2), turned by angles (K,)."""
    first, second = jnp.unstack(1 / jnp.maximum(jnp.abs(axes), _SMALLEST), axis=1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    mixed = (first - second) * sin * cos
    rows = [
        jnp.stack([first * cos**2 + second * sin**2, mixed], -1),
        jnp.stack([mixed, first * sin**2 + second * cos**2], -1),
    ]
    return jnp.stack(rows, 1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, and a skip; nothing after the sum. (B, H, W, C) -> (B, H, W, C)."""

    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        def conv(name):
            return Conv(x.shape[-1], 3, padding=1, use_bias=False, dtype=self.dtype, name=name)

        y = nn.relu(InstanceNorm(affine=True, track=True, name="main_1")(conv("main_0")(x)))
        return x + InstanceNorm(affine=True, track=True, name="main_4")(conv("main_3")(y))


class Trunk(nn.Module):
    """Two halvings, residual blocks, two doublings. (B, S, S, C) in [-1, 1] and points (B, D) -> (B, S, S, C), same.

    S is a multiple of 4. The points are further channels of the picture, constant over it. `warp` (not published) puts
    `fer_jax.nn.warp.MovingHead` in the place of the last doubling and what follows.
    """

    channels: int = 3
    width: int = 64
    blocks: int = 6
    warp: bool = False
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"], points: Float[Array, "b d"]) -> Float[Array, "b s s c"]:
        picture = x
        planes = jnp.broadcast_to(points[:, None, None], (*x.shape[:3], points.shape[1]))
        place = 0

        def unit(layer, features, kernel, stride, padding, x):
            nonlocal place
            fields: dict[str, Any] = {"use_bias": False, "dtype": self.dtype, "name": f"main_{place}"}
            x = layer(features, kernel, stride=stride, padding=padding, **fields)(x)
            x = nn.relu(InstanceNorm(affine=True, track=True, name=f"main_{place + 1}")(x))
            place += 3
            return x

        x = unit(Conv, self.width, 7, 1, 3, jnp.concatenate([x, planes.astype(x.dtype)], -1))
        x = unit(Conv, 2 * self.width, 4, 2, 1, x)
        x = unit(Conv, 4 * self.width, 4, 2, 1, x)
        for _ in range(self.blocks):
            x = ResidualBlock(self.dtype, name=f"main_{place}")(x)
            place += 1
        x = unit(ConvTranspose, 2 * self.width, 4, 2, 1, x)
        if self.warp:
            return MovingHead(self.channels, self.dtype, name="head")(x, picture)
        x = unit(ConvTranspose, self.width, 4, 2, 1, x)
        x = Conv(self.channels, 7, padding=3, use_bias=False, dtype=self.dtype, name=f"main_{place}")(x)
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


class Generator(nn.Module):
    """Trunk and space. Its instance norms always use the current picture's statistics.

    The running ones, which the reference updates but never reads, are kept in "batch_stats" for its files.
    """

    space_kind: str = "gaussian"
    classes: int = 7
    dimensions: int = 2
    channels: int = 3
    width: int = 64
    blocks: int = 6
    reference_covariance: bool = False
    warp: bool = False
    dtype: jnp.dtype | None = None

    def setup(self):
        if self.space_kind == "linear":
            self.space: Any = LinearSpace(self.classes, self.dimensions)
        else:
            self.space = GaussianSpace(self.classes, self.dimensions, self.reference_covariance)
        self.trunk = Trunk(self.channels, self.width, self.blocks, self.warp, self.dtype)

    def learned_space(self) -> Any:
        """-> Rays or Normals."""
        return self.space()

    def __call__(self, x: jax.Array, points: jax.Array) -> jax.Array:
        if self.is_initializing():
            self.space()
        return self.trunk(x, points)


class Judgement(NamedTuple):
    """A discriminator's realism of patches (B, P, P), class logits (B, K) and coordinates (B, D); all raw."""

    realism: jax.Array
    classes: jax.Array
    points: jax.Array


class Discriminator(nn.Module):
    """`stages` halvings and heads. (B, S, S, C) in [-1, 1] -> Judgement.

    S is a multiple of 2 ** stages; the published one has six, for multiples of 64. The Gaussian space's has classes
    and coordinates in one head, as its files have.
    """

    space_kind: str = "gaussian"
    classes: int = 7
    dimensions: int = 2
    width: int = 64
    stages: int = 6
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b s s c"]) -> Judgement:
        for stage in range(self.stages):
            conv = Conv(self.width * 2**stage, 4, stride=2, padding=1, dtype=self.dtype, name=f"main_{2 * stage}")
            x = nn.leaky_relu(conv(x), 0.01)

        def head(features, kernel, padding, name):
            y = Conv(features, kernel, padding=padding, use_bias=False, dtype=self.dtype, name=name)(x)
            return y.astype(jnp.promote_types(y.dtype, jnp.float32))

        side = x.shape[1]
        realism = head(1, 3, 1, "conv1")[..., 0]
        if self.space_kind == "linear":
            logits, points = head(self.classes, side, 0, "conv2"), head(self.dimensions, side, 0, "conv3")
        else:
            both = head(self.classes + self.dimensions, side, 0, "conv2")
            logits, points = both[..., : self.classes], both[..., self.classes :]
        return Judgement(realism, logits[:, 0, 0], points[:, 0, 0])


def polar(points: Float[Array, "b 2"]) -> Float[Array, "b 2"]:
    """Points of a plane -> (angle in radians in (-pi, pi], radius).

    >>> [round(float(x), 4) for x in polar(jnp.array([[0.0, 0.5]]))[0]]
    [1.5708, 0.5]
    """
    return jnp.stack([jnp.arctan2(points[:, 1], points[:, 0]), lengths(points)], 1)


def from_polar(polar_points: Float[Array, "b 2"]) -> Float[Array, "b 2"]:
    """The inverse of `polar`."""
    angle, radius = polar_points[:, 0], polar_points[:, 1]
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1) * radius[:, None]
