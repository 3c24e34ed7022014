"""Pictures whose parts are moved: what an expression does to a face, told to a generator (ours)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from fer_jax.nn.layers import Conv

REACH = 0.15  # of a side, the furthest that a pixel comes from
_KEPT = 1.0  # at first 73 % of each pixel are kept


def warp(picture: Float[Array, "b s s c"], flow: Float[Array, "b s s 2"]) -> Float[Array, "b s s c"]:
    """Each pixel taken, bilinearly, from `flow` (rows, columns; shares of a side) beside it; edges are repeated."""
    batch, side, _, channels = picture.shape
    grid = jnp.stack(jnp.meshgrid(jnp.arange(side), jnp.arange(side), indexing="ij"), -1)
    at = jnp.clip(grid + side * flow, 0, side - 1)
    first = jax.lax.stop_gradient(jnp.floor(at))
    part = at - first
    low = first.astype(jnp.int32)
    high = jnp.minimum(low + 1, side - 1)
    flat = picture.reshape(batch, side * side, channels)

    def values(rows, cols):
        places = (rows * side + cols).reshape(batch, -1, 1)
        return jnp.take_along_axis(flat, places, 1).reshape(picture.shape)

    down, right = part[..., :1], part[..., 1:]
    upper = values(low[..., 0], low[..., 1]) * (1 - right) + values(low[..., 0], high[..., 1]) * right
    lower = values(high[..., 0], low[..., 1]) * (1 - right) + values(high[..., 0], high[..., 1]) * right
    return upper * (1 - down) + lower * down


def enlarged(x: Float[Array, "b h h c"], size: int) -> Float[Array, "b s s c"]:
    """Maps enlarged bilinearly to a side of `size`."""
    return jax.image.resize(x, (x.shape[0], size, size, x.shape[3]), "linear")


class MovingHead(nn.Module):
    """A picture changed by what a smaller map says. (B, H, H, I) and (B, S, S, C) in [-1, 1] -> (B, S, S, C).

    Parts of the picture are moved, and a share of each pixel, a quarter at first, is painted over. Where to, with what
    and how much is drawn at the size of the map and enlarged: all detail is the picture's own, and no pixel can be
    changed alone, in which generators hide what only a critic sees. At first nothing moves.
    """

    channels: int
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h h i"], picture: Float[Array, "b s s c"]) -> Float[Array, "b s s c"]:
        side, zeros = picture.shape[1], nn.initializers.zeros
        flow = Conv(2, 3, padding=1, kernel_init=zeros, bias_init=zeros, dtype=self.dtype, name="flow")(x)
        paint = Conv(self.channels + 1, 3, padding=1, dtype=self.dtype, name="paint")(x)
        flow, paint = (enlarged(y.astype(jnp.promote_types(y.dtype, jnp.float32)), side) for y in (flow, paint))
        colour, keep = jnp.tanh(paint[..., :-1]), nn.sigmoid(paint[..., -1:] + _KEPT)
        return (1 - keep) * colour + keep * warp(picture, REACH * jnp.tanh(flow))
