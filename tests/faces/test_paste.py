"""A face put back into a photograph: nothing is seen of it but the change."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from fer_jax.core.errors import UsageError
from fer_jax.data.alignment import Box, Edges
from fer_jax.faces import paste

SIZE = {"image_size": 24, "channels": 3}


@pytest.fixture
def photograph():
    """Smooth, with some detail that a small network does not see."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1, (90, 120, 3))
    smooth = gaussian_filter(noise, (12, 12, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (0.2 + 0.6 * smooth + 0.05 * (noise - 0.5)).astype(np.float32)


@pytest.fixture
def square(photograph):
    (found,) = paste.find(photograph, paste.Given((Box(30, 20, 50, 60),)))
    return found


def changed(photograph, square, change, **options):
    before = paste.cut(photograph, square, **SIZE | {"channels": options.pop("channels", 3)})
    return paste.paste(photograph, square, before, np.clip(before + change, 0, 1), **options)


@pytest.mark.parametrize("blend", paste.BLENDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_no_edit_changes_nothing(photograph, square, blend, channels):
    same = changed(photograph, square, 0, blend=blend, channels=channels)
    np.testing.assert_allclose(same, photograph, atol=1e-5)


@pytest.mark.parametrize("blend", paste.BLENDS)
def test_outside_nothing_changes_and_inside_it_does(photograph, square, blend):
    change = np.zeros((24, 24, 3), np.float32)
    change[8:16, 8:16] = (0.3, -0.2, 0.1)
    edited = changed(photograph, square, change, blend=blend)
    outside = np.ones(photograph.shape[:2], bool)
    outside[square.slices()] = False
    np.testing.assert_array_equal(edited[outside], photograph[outside])
    middle = (square.top + square.bottom) // 2, (square.left + square.right) // 2
    np.testing.assert_allclose((edited - photograph)[middle], (0.3, -0.2, 0.1), atol=0.06)


def seam(picture, square):
    """Mean step across the square's edge."""
    rows, cols = square.slices()
    across = [np.abs(picture[rows, square.left] - picture[rows, square.left - 1]).mean()]
    across.append(np.abs(picture[square.top, cols] - picture[square.top - 1, cols]).mean())
    return np.mean(across)


@pytest.mark.parametrize("blend", paste.BLENDS)
def test_the_seam_is_smaller_than_a_hard_pastes(photograph, square, blend):
    """A whole face that is brighter: hard, it has an edge; here no more of one than the photograph has there."""
    before = paste.cut(photograph, square, **SIZE)
    hard = photograph.copy()
    side = square.right - square.left
    enlarged = Image.fromarray(np.uint8(255 * np.clip(before + 0.3, 0, 1))).resize((side, side))
    hard[square.slices()] = np.asarray(enlarged) / 255
    soft = changed(photograph, square, 0.3, blend=blend)
    assert seam(hard, square) > 0.2
    assert seam(soft, square) < 1.3 * seam(photograph, square) < 0.1


def test_poisson_takes_another_brightness_of_the_whole_away(photograph, square):
    """Only the details come in: a constant is none."""
    feather, poisson = (changed(photograph, square, 0.1, blend=blend) for blend in paste.BLENDS)
    inner = square._replace(left=50, right=60, top=45, bottom=55).slices()
    assert np.abs(feather - photograph)[inner].mean() > 0.08
    assert np.abs(poisson - photograph)[inner].mean() < 0.03


def test_the_membrane_is_harmonic_and_keeps_its_edge():
    values = np.random.default_rng(0).normal(size=(9, 9, 2))
    found = paste._membrane(values)
    around = found[:-2, 1:-1] + found[2:, 1:-1] + found[1:-1, :-2] + found[1:-1, 2:]
    np.testing.assert_allclose(found[1:-1, 1:-1], around / 4, atol=1e-10)
    for side in (0, -1):
        np.testing.assert_array_equal(found[side], values[side])
        np.testing.assert_array_equal(found[:, side], values[:, side])


def test_detail_is_kept_where_nothing_was_changed(photograph, square):
    """The upper half is changed; of the lower one the network's small picture takes nothing away."""
    change = np.zeros((24, 24, 3), np.float32)
    change[:10] = 0.3
    edited = changed(photograph, square, change)
    lower = square._replace(top=square.top + 40).slices()
    np.testing.assert_allclose(edited[lower], photograph[lower], atol=1e-5)


def test_squares(photograph):
    def find(*box, margin=0.0):
        return paste.find(photograph, paste.Given((Box(*box),)), margin=margin)[0]

    assert find(30, 20, 50, 60) == Edges(25, 20, 85, 80)
    assert find(40, 30, 20, 20, margin=0.5) == Edges(30, 20, 70, 60)
    assert find(0, 0, 20, 20, margin=0.5) == Edges(0, 0, 40, 40)  # moved inside
    assert find(0, 0, 120, 90) == Edges(15, 0, 105, 90)  # the largest that there is


def test_any_detector_will_do(photograph):
    def brightest(picture):
        row, col = np.unravel_index(picture.mean(-1).argmax(), picture.shape[:2])
        return [Box(max(col - 5, 0), max(row - 5, 0), 5, 5)]

    assert isinstance(brightest, paste.Detector)
    (found,) = paste.find(photograph, brightest)
    assert found.area == 25
    with pytest.raises(UsageError, match="no face was found in the picture of 120 x 90 pixels"):
        paste.find(photograph, lambda picture: [])


@pytest.mark.parametrize("box", ["-1,0,20,20", "110,0,20,20", "0,80,20,20", "500,500,20,20"])
def test_a_box_outside_of_the_picture(photograph, box):
    detector = paste.Given((paste.parse_box(box),))
    with pytest.raises(UsageError, match=f"--box={box}: not within the picture, which is 120 x 90 pixels"):
        paste.find(photograph, detector)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2,3", "write X,Y,WIDTH,HEIGHT"),
        ("a,0,1,1", "write X,Y"),
        ("0,0,0,5", "1 pixel or more"),
        ("0,0,nan,9", "1 p"),
    ],
)
def test_boxes_that_are_none(text, says):
    with pytest.raises(UsageError, match=f"--box={text}: .*{says}"):
        paste.parse_box(text)
