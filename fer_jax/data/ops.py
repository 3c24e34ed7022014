"""Operations on one picture before batching, in TensorFlow: uint8 (H, W, C) in, and the same numbers as PIL's.

Random operations take a seed of two integers and draw nothing else, so a resumed run sees the same pictures.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fer_jax.errors import UsageError

CROPS = ("none", "random", "center")


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
    """Antialiased bilinear resize to (height, width), rounded to whole levels as PIL does."""
    resized = tf.image.resize(image, size, "bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


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


def rotate(image: tf.Tensor, degrees: tf.Tensor | float) -> tf.Tensor:
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


def view(
    *, image_size: int, channels: int, load_size: int, crop_kind: str, flip_half: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """How a stream sees its pictures: (uint8 picture, seed (2,)) -> (image_size, image_size, channels) in [0, 1].

    Without a crop the whole picture is resized to the square, its aspect not kept. With one, the shorter side is
    resized to `load_size` and a square of `image_size` is cut out.

    Raises:
      UsageError: unknown crop, or a crop larger than the loaded picture.
    """
    if crop_kind not in CROPS:
        raise UsageError(f"config.data: crop {crop_kind!r} is not one of {', '.join(CROPS)}")
    if crop_kind != "none" and load_size < image_size:
        raise UsageError(f"config.data: load_size {load_size} is smaller than image_size {image_size}; set it larger")

    def apply(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        image = to_channels(image, channels)
        if crop_kind == "none":
            image = resize(image, (image_size, image_size))
        else:
            image = crop(resize_shorter(image, load_size), image_size, crop_kind, seed)
        if flip_half:
            image = flip(image, seed + tf.constant([1, 0], seed.dtype))
        image = tf.ensure_shape(image, (image_size, image_size, channels))
        return tf.cast(image, tf.float32) / 255

    return apply
