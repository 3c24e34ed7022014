"""What DiffAugment does to pictures, and that it has a derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.nn import diff_augment
from fer_jax.nn.diff_augment import KINDS, augment

PICTURES = jax.random.uniform(jax.random.key(0), (200, 16, 16, 3), minval=-1, maxval=1)


def test_nothing_asked_changes_nothing():
    np.testing.assert_array_equal(augment(jax.random.key(1), PICTURES, ()), PICTURES)


def test_brightness_adds_one_number_a_picture():
    off = np.asarray(diff_augment.brightness(jax.random.key(1), PICTURES) - PICTURES)
    added = off[:, 0, 0, 0]
    np.testing.assert_allclose(off, np.broadcast_to(added[:, None, None, None], off.shape), atol=1e-6)
    assert added.min() < -0.4 and added.max() > 0.4 and np.abs(added).max() <= 0.5 and abs(added.mean()) < 0.1


def test_saturation_and_contrast_keep_the_means():
    strong = diff_augment.saturation(jax.random.key(1), PICTURES)
    np.testing.assert_allclose(strong.mean(-1), PICTURES.mean(-1), atol=1e-6)
    grey = PICTURES[..., :1]
    np.testing.assert_array_equal(diff_augment.saturation(jax.random.key(1), grey), grey)
    plain = diff_augment.contrast(jax.random.key(1), PICTURES)
    np.testing.assert_allclose(plain.mean((1, 2, 3)), PICTURES.mean((1, 2, 3)), atol=1e-6)
    ratio = np.asarray(plain.std((1, 2, 3)) / PICTURES.std((1, 2, 3)))
    assert 0.5 <= ratio.min() < 0.6 and 1.4 < ratio.max() <= 1.5


def test_translation_moves_whole_pictures():
    """By up to an eighth of the side, 2 pixels here, as NumPy moves them."""
    moved = np.asarray(diff_augment.translation(jax.random.key(2), PICTURES))
    padded, seen = np.pad(PICTURES, ((0, 0), (2, 2), (2, 2), (0, 0))), set()
    for before, after in zip(padded, moved, strict=True):
        moves = [(y, x) for y in range(5) for x in range(5) if np.array_equal(before[y : y + 16, x : x + 16], after)]
        assert len(moves) == 1
        seen |= set(moves)
    assert len(seen) == 25


def test_cutout_is_a_square_of_half_the_side():
    holes = np.asarray(diff_augment.cutout(jax.random.key(3), jnp.ones((200, 16, 16, 1)))[..., 0] == 0)
    assert holes.sum((1, 2)).max() == 64 and holes.sum((1, 2)).min() >= 16
    for hole in holes:
        rows, cols = hole.any(1), hole.any(0)
        assert np.array_equal(hole, rows[:, None] & cols) and max(rows.sum(), cols.sum()) <= 8
    assert (holes.mean(0) > 0.02).all()  # anywhere


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind):
    """Each is linear in the picture, or nearly: the derivative along a direction is the change along it."""
    key, x = jax.random.key(4), PICTURES[:4]
    direction = jax.random.normal(jax.random.key(5), x.shape)
    change = lambda step: augment(key, x + step * direction, (kind,))  # noqa: E731
    _, tangent = jax.jvp(change, (0.0,), (1.0,))
    np.testing.assert_allclose(tangent, change(1.0) - change(0.0), atol=1e-4)
    grads = jax.grad(lambda x: jnp.square(augment(key, x, (kind,))).sum())(x)
    assert np.isfinite(grads).all() and np.any(grads != 0)


def test_pictures_and_keys_differ():
    same = jnp.broadcast_to(PICTURES[:1], (8, 16, 16, 3))
    one, other = (augment(jax.random.key(seed), same, tuple(KINDS)) for seed in (0, 1))
    assert np.any(one != other) and np.any(one[0] != one[1])
    np.testing.assert_array_equal(one, augment(jax.random.key(0), same, tuple(KINDS)))


def test_a_blur_keeps_flat_pictures_and_thins_single_pixels():
    picture = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1.0)
    np.testing.assert_allclose(diff_augment.blur(picture)[0, 1:4, 1:4, 0] * 16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    np.testing.assert_allclose(diff_augment.blur(jnp.full((1, 5, 5, 1), 0.3)), 0.3, rtol=1e-6)
