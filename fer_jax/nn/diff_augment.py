"""DiffAugment: random changes that real and fake pictures undergo alike, with derivatives (Zhao et al., NeurIPS 2020).

Pictures are (B, S, S, C) in [-1, 1]. Every picture has its own draws; those of real and fake pictures are independent.
Moves and cutouts are made of products with ones and zeros, which run fast on every platform; no pixel is indexed.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

_MOVE = 1 / 8  # of the side, at most, either way
_CUT = 1 / 2  # of the side


def brightness(key: jax.Array, x: jax.Array) -> jax.Array:
    """Adds U(-0.5, 0.5)."""
    return x + jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, -0.5, 0.5)


def saturation(key: jax.Array, x: jax.Array) -> jax.Array:
    """Scales what sets a pixel's channels off from their mean by U(0, 2); nothing in grey pictures."""
    if x.shape[-1] == 1:
        return x
    mean = x.mean(-1, keepdims=True)
    return mean + (x - mean) * jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, 0, 2)


def contrast(key: jax.Array, x: jax.Array) -> jax.Array:
    """Scales what sets pixels off from the picture's mean by U(0.5, 1.5)."""
    mean = x.mean((1, 2, 3), keepdims=True)
    return mean + (x - mean) * jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, 0.5, 1.5)


def color(key: jax.Array, x: jax.Array) -> jax.Array:
    """Brightness, saturation and contrast."""
    for change, own in zip((brightness, saturation, contrast), jax.random.split(key, 3), strict=True):
        x = change(own, x)
    return x


def translation(key: jax.Array, x: jax.Array) -> jax.Array:
    """Moves by up to an eighth of the side along either axis, whole pixels; 0 where nothing is."""
    count, side = x.shape[:2]
    reach = round(side * _MOVE)
    down, right = jax.random.randint(key, (2, count, 1, 1), -reach, reach + 1)
    new, old = jnp.arange(side)[:, None], jnp.arange(side)[None]
    rows, cols = ((old == new - move).astype(x.dtype) for move in (down, right))  # (B, S, S), one 1 a row at most
    exact = jax.lax.Precision.HIGHEST
    x = jnp.einsum("bij,bjwc->biwc", rows, x, precision=exact)
    return jnp.einsum("bij,bhjc->bhic", cols, x, precision=exact)


def cutout(key: jax.Array, x: jax.Array) -> jax.Array:
    """Sets a square of half the side to 0, its centre anywhere in the picture."""
    count, side = x.shape[:2]
    size = round(side * _CUT)
    # As published: the centre may lie a pixel beyond the edge where the square's side is even.
    centre = jax.random.randint(key, (2, count, 1), 0, side + 1 - size % 2)
    first = centre - size // 2
    across = jnp.arange(side)
    inside = (across >= first) & (across < first + size)  # (2, B, S)
    return jnp.where((inside[0][:, :, None] & inside[1][:, None])[..., None], 0, x)


KINDS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


def augment(key: jax.Array, x: jax.Array, kinds: Sequence[str]) -> jax.Array:
    """Pictures changed by the `kinds` named, in that order; with none, as they are."""
    for number, kind in enumerate(kinds):
        x = KINDS[kind](jax.random.fold_in(key, number), x)
    return x


def blur(picture: jax.Array) -> jax.Array:
    """Each pixel averaged with its neighbours, weights 1 2 1 either way, edges repeated. (B, H, W, C) -> same."""
    for axis in (1, 2):
        rim = [(0, 0)] * 4
        rim[axis] = (1, 1)
        padded, size = jnp.pad(picture, rim, mode="edge"), picture.shape[axis]
        low, here, high = (jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(3))
        picture = (low + 2 * here + high) / 4
    return picture


def through_noise(key: jax.Array, picture: jax.Array, deviation: float) -> jax.Array:
    """A picture blurred, with normal noise of a deviation on it: what a few changed pixels alone do not survive."""
    return blur(picture) + deviation * jax.random.normal(key, picture.shape, picture.dtype)
