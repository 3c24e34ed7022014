"""Operations on one picture before batching, in TensorFlow: uint8 (H, W, C) in, and the same numbers as PIL's.

Random operations take a seed of two integers and draw nothing else, so a resumed run sees the same pictures.
"""

import math
from typing import Any

import tensorflow as tf

_PRECISION = 22  # bits of Pillow's weights


def to_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """uint8 (H, W, 1 or 3) -> (H, W, channels). Colour to grey as PIL's mode "L": 0.299 R + 0.587 G + 0.114 B."""
    have = image.shape[-1]
    if have == channels:
        return image
    if channels == 3:
        return tf.tile(image, (1, 1, 3))
    weighted = tf.reduce_sum(tf.cast(image, tf.int32) * tf.constant([19595, 38470, 7471]), -1, keepdims=True)
    return tf.cast((weighted + 0x8000) // 0x10000, tf.uint8)  # the sum is never negative: a 16-bit shift with rounding


def resize(image: tf.Tensor, size: tuple[Any, Any]) -> tf.Tensor:
    """Antialiased bilinear resize to (height, width), the same numbers as PIL's before Pillow 13.

    First the width changes, then the height. Pillow 13 takes them in the other order where the height shrinks by more
    than twice as many pixels as the width; the references ran before that.
    """
    for axis, length in ((1, size[1]), (0, size[0])):
        image = _resize_axis(image, length, axis)
    return image


def _resize_axis(image: tf.Tensor, length: Any, axis: int) -> tf.Tensor:
    """Resizes rows (axis 0) or columns (axis 1), as Pillow does: weights in steps of 2^-22, whole levels after it."""
    have = tf.shape(image)[axis]

    def resized():
        first, weights = _triangle_weights(have, length)
        taps = first[:, None] + tf.range(tf.shape(weights)[1])
        seen = tf.gather(tf.cast(image, tf.int32), tf.minimum(taps, have - 1), axis=axis)
        there = weights[None, :, :, None] if axis else weights[:, :, None, None]
        total = tf.reduce_sum(seen * there, axis + 1)  # below 2^31: the weights of a pixel sum to 2^22
        levels = tf.bitwise.right_shift(total + (1 << (_PRECISION - 1)), _PRECISION)
        return tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)

    return tf.cond(tf.equal(have, length), lambda: image, resized)


def _triangle_weights(have: tf.Tensor, length: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """First tap (length,) of every new pixel, and its taps' weights (length, taps) int32, in float64 as in Pillow."""
    scale = tf.cast(have, tf.float64) / tf.cast(length, tf.float64)
    reach = tf.maximum(scale, 1.0)
    centre = (tf.range(length, dtype=tf.float64) + 0.5) * scale
    first = tf.maximum(tf.cast(centre - reach + 0.5, tf.int32), 0)
    end = tf.minimum(tf.cast(centre + reach + 0.5, tf.int32), have)
    taps = first[:, None] + tf.range(tf.reduce_max(end - first))
    distance = tf.abs((tf.cast(taps, tf.float64) - centre[:, None] + 0.5) * (1 / reach))
    weights = tf.where(taps < end[:, None], tf.maximum(1 - distance, 0), 0)
    weights /= tf.reduce_sum(weights, 1, keepdims=True)
    return first, tf.cast(weights * (1 << _PRECISION) + 0.5, tf.int32)


def resize_shorter(image: tf.Tensor, side: int) -> tf.Tensor:
    """Resizes so that the shorter side has `side` pixels; the longer one is cut to a whole number (torchvision)."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    shorter = tf.minimum(height, width)
    return resize(image, (side * height // shorter, side * width // shorter))


def crop(image: tf.Tensor, side: int, kind: str, seed: tf.Tensor) -> tf.Tensor:
    """A square of `side` pixels: at the centre, or anywhere with equal chance."""
    room = tf.shape(image)[:2] - side
    if kind == "center":
        corner = tf.cast(tf.round(tf.cast(room, tf.float32) / 2), tf.int32)
    else:
        at = tf.random.stateless_uniform((2,), seed)
        corner = tf.cast(tf.floor(at * tf.cast(room + 1, tf.float32)), tf.int32)
    return tf.slice(image, (corner[0], corner[1], 0), (side, side, -1))


def flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors left and right with probability one half."""
    return tf.cond(tf.random.stateless_uniform((), seed) < 0.5, lambda: image[:, ::-1], lambda: image)


def turn(image: tf.Tensor, degrees: tf.Tensor | float) -> tf.Tensor:
    """Turns a picture counter-clockwise about its centre: nearest pixel, black beyond the edges, size kept. As Pillow.

    Pillow counts in steps of 1 / 65536 pixel; so does this, which makes the numbers the same.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    angle = -tf.cast(degrees, tf.float64) * (math.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    x, y = tf.cast(width, tf.float64) / 2, tf.cast(height, tf.float64) / 2

    def steps(value):
        return tf.cast(tf.floor(value * 65536 + 0.5), tf.int64)

    cols, rows = tf.range(width, dtype=tf.int64)[None, :], tf.range(height, dtype=tf.int64)[:, None]
    from_x = steps(x - cos * x - sin * y + (cos + sin) / 2) + steps(cos) * cols + steps(sin) * rows
    from_y = steps(y + sin * x - cos * y + (cos - sin) / 2) + steps(-sin) * cols + steps(cos) * rows
    at = tf.stack([from_y, from_x], -1) // 65536
    inside = tf.reduce_all((at >= 0) & (at < tf.cast(tf.stack([height, width]), tf.int64)), -1)
    return tf.gather_nd(image, tf.where(inside[..., None], at, 0)) * tf.cast(inside[..., None], image.dtype)


def random_affine(image: tf.Tensor, seed: tf.Tensor, kind: str) -> tf.Tensor:
    """A picture (S, S, C) float32 turned by up to 7.5 degrees, moved, enlarged and, half of the time, mirrored.

    As GANmut trains: moved by up to 7.5 pixels of 128 along either axis, enlarged by 1.075 to 1.15 about the centre;
    black (0) where nothing is. `kind` "bilinear" is what was meant, with an exact mirror; "nearest" is what the
    reference's arguments amount to, with its mirror that is one pixel off. Departure: pictures of another size than
    the published 128 pixels are moved in proportion.
    """
    draws = tf.random.stateless_uniform((5,), seed)
    turned = (2 * draws[0] - 1) * (7.5 * math.pi / 180)
    zoom, mirrored = 1.075 + 0.075 * draws[3], draws[4] < 0.5
    side = tf.cast(tf.shape(image)[0], tf.float32)
    centre, cos, sin = side / 2 - 0.5, tf.cos(turned), tf.sin(turned)
    reach = 7.5 / 128 * side
    # Backwards, from each new pixel to where it comes from.
    across = tf.range(side)
    rows, cols = across[:, None], across[None, :]
    if kind == "nearest":
        cols = tf.where(mirrored, side - cols, cols)
    else:
        cols = tf.where(mirrored, side - 1 - cols, cols)
    x = (cols - centre) / zoom - (2 * draws[1] - 1) * reach
    y = (rows - centre) / zoom - (2 * draws[2] - 1) * reach
    at_rows, at_cols = sin * x + cos * y + centre, cos * x - sin * y + centre
    if kind == "nearest":
        return _at(image, tf.cast(tf.floor(at_rows + 0.5), tf.int32), tf.cast(tf.floor(at_cols + 0.5), tf.int32))
    return sample_bilinear(image, at_rows, at_cols)


def sample_bilinear(image: tf.Tensor, rows: tf.Tensor, cols: tf.Tensor) -> tf.Tensor:
    """Values of a float32 picture (H, W, C) at positions (S, S) between its pixels, 0 beyond the edges."""
    top, left = tf.floor(rows), tf.floor(cols)
    down, right = (rows - top)[..., None], (cols - left)[..., None]
    row, col = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    upper = _at(image, row, col) * (1 - right) + _at(image, row, col + 1) * right
    lower = _at(image, row + 1, col) * (1 - right) + _at(image, row + 1, col + 1) * right
    return upper * (1 - down) + lower * down


def _at(image: tf.Tensor, row: tf.Tensor, col: tf.Tensor) -> tf.Tensor:
    """Pixels of a picture, 0 beyond its edges."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    place = tf.stack([tf.where(inside, row, 0), tf.where(inside, col, 0)], -1)
    return tf.gather_nd(image, place) * tf.cast(inside[..., None], image.dtype)
