"""Operations on pictures against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from fer_jax.core.config import ViewConfig
from fer_jax.core.errors import UsageError
from fer_jax.data import ops
from fer_jax.data.random_views import view


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def pillows(image, size):
    """Pillow's resize to (height, width), first one side and then the other: so did all versions before 13."""
    whole = Image.fromarray(image.squeeze()).resize((size[1], len(image)), Image.Resampling.BILINEAR)
    return np.asarray(whole.resize((size[1], size[0]), Image.Resampling.BILINEAR)).reshape(*size, image.shape[-1])


@tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((2,), tf.int32)])
def resize(image, size):
    return ops.resize(image, (size[0], size[1]))


def test_resize_is_pillows():
    rng = np.random.default_rng(1)
    for seed in range(200):
        (height, width), size = rng.integers(1, 160, 2), rng.integers(1, 160, 2)
        image = noise((height, width, 3), seed)
        if seed % 3 == 0:
            image = image // 128 * 255  # no greys: the sums reach their bounds
        np.testing.assert_array_equal(resize(image, size), pillows(image, size), err_msg=f"{height, width} to {size}")


@pytest.mark.parametrize("side", [48, 100, 112, 128, 224, 227, 250])
def test_squares_are_those_of_any_pillow(side):
    for have in (47, 100, 112, 224, 250, 301):
        for channels in (1, 3):
            image = noise((have, have, channels))
            expected = Image.fromarray(image.squeeze()).resize((side, side), Image.Resampling.BILINEAR)
            expected = np.asarray(expected).reshape(side, side, channels)
            np.testing.assert_array_equal(ops.resize(tf.constant(image), (side, side)), expected)


def test_one_side_alone():
    image = noise((30, 20, 3))
    for size in ((30, 50), (50, 20), (30, 20), (7, 20)):
        np.testing.assert_array_equal(resize(image, size), pillows(image, size))
    np.testing.assert_array_equal(ops.resize_shorter(tf.constant(image), 10), pillows(image, (15, 10)))


@pytest.mark.parametrize("shape", [(48, 48, 3), (33, 48, 1), (64, 31, 3)])
def test_turn_is_pillows(shape):
    image = noise(shape)
    for degrees in [0, 0.5, -30, *np.random.default_rng(0).uniform(-30, 30, 20)]:
        expected = Image.fromarray(image.squeeze()).rotate(degrees, Image.Resampling.NEAREST)
        turned = ops.turn(tf.constant(image), tf.constant(degrees, tf.float64))
        np.testing.assert_array_equal(turned, np.asarray(expected).reshape(shape))


def white(**fields):
    """How a white picture is seen for 200 seeds: black where it was turned away."""
    look = view(ViewConfig(**fields), image_size=32, channels=1)
    image = tf.constant(np.full((32, 32, 1), 255, np.uint8))
    seeds = np.stack([np.full(200, 5), np.arange(200)], 1).astype(np.int64)
    return np.stack([look(image, tf.constant(seed)) for seed in seeds])


def test_view_turns_by_any_angle_within_the_bounds():
    seen, again = white(rotate=30.0), white(rotate=30.0)
    np.testing.assert_array_equal(seen, again)  # the seed alone decides
    black = (seen == 0).sum((1, 2, 3))
    assert len(set(black)) > 20
    most = np.asarray(Image.new("L", (32, 32), 255).rotate(30)) == 0
    assert most.sum() * 0.9 < black.max() <= most.sum()
    top = seen[:, 0, :, 0] == 0  # the black at its left is longer than that at its right, or the other way round
    assert 60 < (top[:, :16].sum(1) > top[:, 16:].sum(1)).sum() < 140
    assert (white(rotate=0.0) == 1).all() and (white() == 1).all()
    assert (white(rotate=3.0) == 0).sum((1, 2, 3)).max() < most.sum() / 4


def test_view_resizes_flips_and_then_turns():
    image = noise((60, 60, 3))
    look = view(ViewConfig(flip_half=True, rotate=20.0), image_size=48, channels=3)
    small = Image.fromarray(image).resize((48, 48), Image.Resampling.BILINEAR)
    both = (small, small.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    seen = set()
    for seed in (tf.constant([3, i], tf.int64) for i in range(20)):
        own = tf.random.experimental.stateless_fold_in(seed, 0)
        degrees = float(tf.random.stateless_uniform((), own, -20, 20, tf.float64))
        turned = [np.asarray(one.rotate(degrees)) / np.float32(255) for one in both]
        seen.add(tuple(np.array_equal(look(tf.constant(image), seed), one) for one in turned))
    assert seen == {(True, False), (False, True)}


@pytest.mark.parametrize("fields", [{"rotate": -1.0}, {"rotate": 181.0}, {"crop_kind": "center", "load_size": 7}])
def test_bad_views(fields):
    with pytest.raises(UsageError, match="config.data: "):
        view(ViewConfig(**fields), image_size=8, channels=1)
