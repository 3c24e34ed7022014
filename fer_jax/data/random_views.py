"""How the pictures of a stream become a network's input, with what is random in training; in TensorFlow."""

from collections.abc import Callable

import tensorflow as tf

from fer_jax.core.config import ViewConfig
from fer_jax.core.errors import UsageError
from fer_jax.data import augment, ops
from fer_jax.data.views import evaluation_view


def is_random(seen: ViewConfig) -> bool:
    """Whether a view draws anything."""
    drawn = seen.crop_kind == "random" or seen.augment in ("torchvision", "face")
    return drawn or seen.flip_half or bool(seen.rotate) or seen.affine is not None


def view(seen: ViewConfig, *, image_size: int, channels: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """How a stream sees its pictures: (uint8 picture, seed (2,)) -> (image_size, image_size, channels) in [0, 1].

    Without a crop the whole picture is resized to the square, its aspect not kept. With one, the shorter side is
    resized to `load_size` and a square of `image_size` is cut out. Then it is flipped, half of the time, and turned by
    any angle of up to `rotate` degrees either way. Last comes a `random_affine` of the kind `affine`, if any.
    `augment` names a way of `fer_jax.data.augment`, which takes the place of all resizing and cutting.

    Raises:
      UsageError: a crop larger than the loaded picture, or an angle outside of 0..180.
    """
    plain = evaluation_view(seen, image_size=image_size, channels=channels)
    load_size, rotate = seen.load_size or image_size, seen.rotate
    if not 0 <= rotate <= 180:
        raise UsageError(f"config.data: rotate {rotate} is not an angle in 0..180 degrees")

    def fixed(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        del seed
        found = tf.numpy_function(plain, [image], tf.float32, stateful=False)
        return tf.ensure_shape(found, (image_size, image_size, channels))

    if not is_random(seen):
        return fixed

    def apply(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        image = ops.to_channels(image, channels)
        if seen.augment:
            return augment.apply(image, seed, seen.augment, image_size)
        if seen.crop_kind == "none":
            image = ops.resize(image, (image_size, image_size))
        else:
            image = ops.crop(ops.resize_shorter(image, load_size), image_size, seen.crop_kind, seed)
        if seen.flip_half:
            image = ops.flip(image, seed + tf.constant([1, 0], seed.dtype))
        if rotate:
            own = tf.random.experimental.stateless_fold_in(seed, 0)  # seed + 2 is the next stream's
            image = ops.turn(image, tf.random.stateless_uniform((), own, -rotate, rotate, tf.float64))
        image = tf.cast(tf.ensure_shape(image, (image_size, image_size, channels)), tf.float32) / 255
        if seen.affine:
            image = ops.random_affine(image, tf.random.experimental.stateless_fold_in(seed, 1), seen.affine)
        return tf.ensure_shape(image, (image_size, image_size, channels))

    return apply
