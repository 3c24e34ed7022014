"""GANmut's random affine against a plain NumPy one, made forwards as the reference makes it."""

import numpy as np
import pytest
import tensorflow as tf

from fer_jax.core.config import ViewConfig
from fer_jax.data import ops
from fer_jax.data.random_views import view

SIDE = 32


def forward(draws, coded):
    """The 3 x 3 matrix from input to output pixels (x, y) of the spec, section 9."""
    centre = SIDE / 2 - 0.5
    angle = (2 * draws[0] - 1) * 7.5 * np.pi / 180
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    matrix[:2] = [
        [cos, sin, (1 - cos) * centre - sin * centre],
        [-sin, cos, sin * centre + (1 - cos) * centre],
    ]
    matrix[0, 2] += (2 * draws[1] - 1) * 7.5 * SIDE / 128
    matrix[1, 2] += (2 * draws[2] - 1) * 7.5 * SIDE / 128
    zoom = 1.075 + 0.075 * draws[3]
    matrix[:2] *= zoom
    matrix[:2, 2] += (1 - zoom) * centre
    if draws[4] < 0.5:
        matrix[0, :2] *= -1
        matrix[0, 2] = (SIDE if coded else SIDE - 1) - matrix[0, 2]
    return matrix


def expected(image, draws, kind):
    inverse = np.linalg.inv(forward(draws, kind == "nearest"))
    rows, cols = np.mgrid[:SIDE, :SIDE]
    x, y, _ = np.einsum("ij,jhw->ihw", inverse, np.stack([cols, rows, np.ones_like(cols)]).astype(float))
    padded = np.pad(image, ((60, 60), (60, 60), (0, 0)))

    def at(row, col):
        return padded[row.astype(int) + 60, col.astype(int) + 60]

    if kind == "nearest":
        return at(np.floor(y + 0.5), np.floor(x + 0.5))
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    upper = at(top, left) * (1 - right) + at(top, left + 1) * right
    return upper * (1 - down) + (at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right) * down


@pytest.mark.parametrize("kind", ["bilinear", "nearest"])
def test_affine_is_the_references(kind):
    rng, mirrored = np.random.default_rng(0), 0
    for i in range(20):
        image = rng.uniform(size=(SIDE, SIDE, 3)).astype(np.float32)
        seed = tf.constant([5, i], tf.int64)
        draws = tf.random.stateless_uniform((5,), seed).numpy().astype(np.float64)
        mirrored += draws[4] < 0.5
        found, wanted = ops.random_affine(tf.constant(image), seed, kind).numpy(), expected(image, draws, kind)
        off = np.abs(found - wanted).max(-1) > 2e-4
        assert off.mean() < 0.005  # nearest: a position may round to either side
    assert 5 < mirrored < 15


def test_only_views_that_ask_for_it_have_it():
    plain = {"image_size": 16, "channels": 1}
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (16, 16, 1)).astype(np.uint8))
    seeds = [tf.constant([3, i], tf.int64) for i in range(5)]
    still = view(ViewConfig(), **plain)
    np.testing.assert_allclose(still(image, seeds[0]), image / 255, atol=1e-6)
    for kind in ("bilinear", "nearest"):
        look = view(ViewConfig(affine=kind), **plain)
        seen = np.stack([look(image, seed) for seed in seeds])
        np.testing.assert_array_equal(seen, np.stack([look(image, seed) for seed in seeds]))
        assert seen.shape == (5, 16, 16, 1) and len({one.tobytes() for one in seen}) == 5
        assert seen.min() >= 0 and seen.max() <= 1 + 1e-6
