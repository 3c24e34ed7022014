"""Whole ways of seeing a picture while classifiers are trained: the published one, and one for small faces.

Pictures are float32 (H, W, C) in [0, 1]; each random step draws from a seed of two integers of its own.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from fer_jax.data.ops import flip, sample_bilinear


def apply(image: tf.Tensor, seed: tf.Tensor, way: str, size: int) -> tf.Tensor:
    """A uint8 picture (H, W, C) seen in one of the ways of `ViewConfig.augment` -> (size, size, C) in [0, 1].

    * "torchvision": as the reference of the FER2013 classifiers trains: `random_resized_crop`, mirrored half of the
      time, `sharpen` by 2 half of the time, brightness by 0.7 to 1.3. No rounding to whole levels on the way.
    * "face" (ours): see `face`.
    """
    image = tf.cast(image, tf.float32) / 255
    channels = image.shape[-1]
    if way == "torchvision":
        image = torchvision(image, seed, size)
    else:
        image = face(image, seed, size)
    return tf.ensure_shape(image, (size, size, channels))


def _draws(seed: tf.Tensor) -> Callable[[int], tf.Tensor]:
    """A seed for each step of a way. The plain seed + 1, + 2 ... are those of other streams and of mirrors."""
    return lambda step: tf.random.experimental.stateless_fold_in(seed, 16 + step)


def torchvision(image: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """The published training transform."""
    own = _draws(seed)
    image = flip(random_resized_crop(image, own(0), size), own(1))
    image = tf.cond(tf.random.stateless_uniform((), own(2)) < 0.5, lambda: sharpen(image, 2.0), lambda: image)
    return brighten(image, tf.random.stateless_uniform((), own(3), 0.7, 1.3))


def face(image: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """For small faces, whose whole is seen: turned, enlarged, moved, mirrored; lighter or darker; a part left out.

    Turned by up to 12 degrees, enlarged by 0.88 to 1.14 in each direction, moved by up to a tenth of a side; black
    beyond the edges. Brightness by 0.75 to 1.25, contrast likewise. Half of the time a square of up to 0.35 of a side
    is grey (cutout, DeVries and Taylor 2017).
    """
    own = _draws(seed)
    image = _resized(image, size) if image.shape[:2] != (size, size) else image
    turn, tall, wide, down, right, mirror = tf.unstack(tf.random.stateless_uniform((6,), own(0), -1, 1))
    angle = turn * (12 * math.pi / 180)
    reach, centre = size / 10, (size - 1) / 2
    across = tf.range(size, dtype=tf.float32) - centre
    rows = (across[:, None] - down * reach) / tf.exp(tall * 0.13)
    cols = (across[None, :] - right * reach) / tf.exp(wide * 0.13) * tf.sign(mirror + 1e-9)
    cos, sin = tf.cos(angle), tf.sin(angle)
    image = sample_bilinear(image, cos * rows - sin * cols + centre, sin * rows + cos * cols + centre)
    light, contrast = tf.unstack(tf.random.stateless_uniform((2,), own(1), 0.75, 1.25))
    mean = tf.reduce_mean(image)
    image = tf.clip_by_value(((image - mean) * contrast + mean) * light, 0, 1)
    return _cutout(image, own(2), size)


def _cutout(image: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    row, col, share, there = tf.unstack(tf.random.stateless_uniform((4,), seed))
    half = share * (0.35 / 2 * size)
    across = tf.range(size, dtype=tf.float32)
    inside = (tf.abs(across - row * size) <= half)[:, None] & (tf.abs(across - col * size) <= half)[None, :]
    return tf.where(inside[..., None] & (there < 0.5), 0.5, image)


def random_resized_crop(image: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Torchvision's RandomResizedCrop: 0.08 to 1 of the area, an aspect of 3/4 to 4/3, ten tries, then the middle."""
    own = _draws(seed)
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    high, wide = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    area = high * wide * tf.random.stateless_uniform((10,), own(0), 0.08, 1.0)
    ratio = tf.exp(tf.random.stateless_uniform((10,), own(1), math.log(3 / 4), math.log(4 / 3)))
    w = tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32)
    h = tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32)
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = tf.argmax(tf.cast(fits, tf.int32))
    # No try fits: the largest middle part of an aspect that is allowed.
    least, most = wide / high < 3 / 4, wide / high > 4 / 3
    middle_w = tf.where(most, tf.cast(tf.round(high * (4 / 3)), tf.int32), width)
    middle_h = tf.where(least, tf.cast(tf.round(wide / (3 / 4)), tf.int32), height)
    found = tf.reduce_any(fits)
    w, h = tf.where(found, w[first], middle_w), tf.where(found, h[first], middle_h)
    place = tf.random.stateless_uniform((2,), own(2))
    room = tf.cast(tf.stack([height - h + 1, width - w + 1]), tf.float32)
    corner = tf.where(found, tf.cast(tf.floor(place * room), tf.int32), tf.stack([(height - h) // 2, (width - w) // 2]))
    return crop_resized(image, corner[0], corner[1], h, w, size)


def crop_resized(image: tf.Tensor, top, left, height, width, size: int) -> tf.Tensor:
    """The part of `height` by `width` pixels at (top, left), resized to (size, size, C)."""
    return _resized(image[top : top + height, left : left + width], size)


def _resized(image: tf.Tensor, size: int) -> tf.Tensor:
    """Bilinear, antialiased where it gets smaller, centres at half pixels: torch's `interpolate` on floats."""
    return tf.image.resize(image, (size, size), antialias=True)


def sharpen(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Torchvision's adjust_sharpness: away from a 3x3 mean whose middle weighs 5 of 13; the border stays."""
    channels = image.shape[-1]
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13
    kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    inner = tf.nn.depthwise_conv2d(image[None], kernel, [1, 1, 1, 1], "VALID")[0]
    smooth = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], 1)
    smooth = tf.concat([image[:1], smooth, image[-1:]], 0)
    return tf.clip_by_value(factor * image + (1 - factor) * smooth, 0, 1)


def brighten(image: tf.Tensor, factor) -> tf.Tensor:
    """Torchvision's adjust_brightness."""
    return tf.clip_by_value(image * factor, 0, 1)
