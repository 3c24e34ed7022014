import numpy as np
import pytest

from fer_jax.data import alignment as align


def test_eyes_are_the_means_of_six_points_cut_to_whole_numbers():
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = [10.9, 20.2], [30.5, 22.99]
    assert align.eyes(points) == ((10, 20), (30, 22))


@pytest.mark.parametrize("eyes", [((20, 25), (51, 30)), ((20, 30), (20, 50)), ((40, 30), (22, 35)), ((9, 9), (9, 9))])
def test_the_eyes_come_to_lie_level_about_their_middle(eyes):
    forward = align.rotation(*eyes)
    ends = np.array([forward @ (*eye, 1) for eye in eyes])
    assert ends[0, 1] == pytest.approx(ends[1, 1])
    middle = np.array([(eyes[0][i] + eyes[1][i]) // 2 for i in range(2)])
    np.testing.assert_allclose(forward @ (*middle, 1), middle)
    np.testing.assert_allclose(forward[:, :2] @ forward[:, :2].T, np.eye(2), atol=1e-12)


def picture(height=30, width=40):
    return np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)


def test_an_upright_face_is_the_box():
    whole = picture()
    face = align.face(whole, (10, 12), (20, 12), align.Box(5, 6, 12, 13))
    np.testing.assert_array_equal(face, whole[6:19, 5:17])


def test_the_swap_of_the_reference_cuts_wide_pictures():
    whole, box = picture(), align.Box(25, 6, 12, 12)
    swapped = align.face(whole, (10, 12), (20, 12), box, swap_sides=True)
    np.testing.assert_array_equal(swapped[:, :5], whole[6:18, 25:30])
    assert not swapped[:, 5:].any()  # the upright picture is only as wide as the other is high


@pytest.mark.parametrize("x", [-8, 36, 100, -100])
def test_a_box_beyond_the_picture_is_black_there(x):
    whole = picture()
    face = align.face(whole, (10, 12), (20, 12), align.Box(x, 2, 10, 10))
    assert face.shape == (10, 10, 3)
    seen = [whole[2:12, c] if 0 <= c < 40 else np.zeros((10, 3)) for c in range(x, x + 10)]
    np.testing.assert_array_equal(face, np.stack(seen, 1))


def test_part_of_a_picture_is_as_in_the_whole():
    whole = picture()
    forward = align.rotation((10, 12), (20, 17))
    upright, part = align.warp(whole, forward, (30, 40)), align.Edges(-5, 8, 22, 99)
    alone = align.warp(whole, forward, (30, 40), part)
    np.testing.assert_array_equal(alone[8:, :22], upright[8:, :22])
    assert not alone[:8].any() and not alone[:, 22:].any()
    assert part.within((30, 40)) == (0, 8, 22, 30) and part.within((30, 40)).area == 22 * 22
    assert align.Edges(50, 0, 60, 10).within((30, 40)).area == 0


def test_corners_are_rounded_half_to_even():
    whole = picture()
    half = np.array([[1.0, 0, 0.5], [0, 1, 0.5]])
    face = align.crop(whole, half, align.Box(1, 2, 4, 4))  # 1.5..5.5 and 2.5..6.5
    np.testing.assert_array_equal(face, whole[2:6, 2:6])


def test_the_shorter_side_is_resized():
    assert align.resize_shorter(picture(30, 40), 15).shape == (15, 20, 3)
    assert align.resize_shorter(picture(41, 41), 112).shape == (112, 112, 3)
