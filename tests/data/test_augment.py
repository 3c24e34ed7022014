"""Whole ways of seeing a picture; the published one's numbers are in tests/parity/test_emotion_classifier.py."""

import numpy as np
import pytest
import tensorflow as tf

from fer_jax.core.config import ViewConfig
from fer_jax.data import augment
from fer_jax.data.random_views import view

FACE = np.random.default_rng(0).integers(0, 256, (48, 48, 1)).astype(np.uint8)


def seeds(count):
    return [tf.constant([i, 7], tf.int64) for i in range(count)]


def seen(way, seed, size=48, channels=1, **fields):
    look = view(ViewConfig(augment=way, **fields), image_size=size, channels=channels)
    return look(tf.constant(FACE), seed).numpy()


@pytest.mark.parametrize("way", ["face", "torchvision"])
def test_one_seed_one_picture(way):
    one, other = seeds(2)
    np.testing.assert_array_equal(seen(way, one), seen(way, one))
    assert np.abs(seen(way, one) - seen(way, other)).mean() > 0.01
    assert seen(way, one, channels=3).shape == (48, 48, 3)
    assert 0 <= seen(way, one).min() and seen(way, one).max() <= 1


def test_evaluation_draws_nothing():
    one, other = seeds(2)
    np.testing.assert_array_equal(seen("torchvision_eval", one, 56), seen("torchvision_eval", other, 56))


def test_half_of_the_faces_are_mirrored_and_half_have_a_part_left_out():
    """Told by a bright left half, which turning and moving a little leave where it is, and by values of just 0.5."""
    half = tf.concat([tf.ones((48, 24, 1)), tf.zeros((48, 24, 1))], 1)
    pictures = [augment.face(half, seed, 48).numpy() for seed in seeds(200)]
    mirrored = np.mean([p[:, 30:].mean() > p[:, :18].mean() for p in pictures])
    cut = np.mean([(p == 0.5).sum() > 4 for p in pictures])
    assert 0.4 < mirrored < 0.6 and 0.35 < cut < 0.6


def test_crops_are_of_torchvisions_sizes():
    """A ramp across the picture tells which part was cut out: 8 % to all of the area, aspects of 3/4 to 4/3."""
    ramp = tf.stack(tf.meshgrid(tf.range(60.0), tf.range(60.0)), -1)
    areas, aspects = [], []
    for seed in seeds(150):
        part = augment.random_resized_crop(ramp, seed, 61).numpy()
        wide, high = (np.ptp(part[..., i]) + 1 for i in (0, 1))
        areas.append(wide * high / 3600)
        aspects.append(wide / high)
    assert 0.06 < min(areas) < 0.2 and 0.85 < max(areas) <= 1.001
    assert 0.7 < min(aspects) < 0.85 and 1.2 < max(aspects) < 1.45
    long = tf.zeros((10, 100, 1))  # whose every try may fail: then the largest middle of an allowed aspect
    assert augment.random_resized_crop(long, seeds(1)[0], 8).shape == (8, 8, 1)
