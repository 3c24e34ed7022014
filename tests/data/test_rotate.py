"""Rotation in the data pipeline against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from fer_jax.data import ops


@pytest.mark.parametrize("shape", [(48, 48, 3), (33, 48, 1), (64, 31, 3)])
def test_every_pixel_is_pillows(shape):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape).astype(np.uint8)
    for degrees in [0, 0.5, -30, *rng.uniform(-30, 30, 20)]:
        expected = Image.fromarray(image.squeeze()).rotate(degrees, Image.Resampling.NEAREST)
        turned = ops.rotate(tf.constant(image), tf.constant(degrees, tf.float64))
        np.testing.assert_array_equal(turned, np.asarray(expected).reshape(shape))
