"""Upright faces from eye positions and a face box, as Emotion-GCN's reference prepares AffectNet (aligner.py).

Pictures are (H, W, 3) uint8; positions are (x, y) in pixels, x to the right, y down. The picture is turned about the
point between the eyes until they lie level, and the face box is cut out of it.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

_CUBIC = -0.75  # the cubic kernel's parameter, as OpenCV's
_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)  # of the 68 points (iBUG); the left one in the picture

Point = tuple[int, int]


class Box(NamedTuple):
    """A face box: top left corner and size."""

    x: float
    y: float
    width: float
    height: float


class Edges(NamedTuple):
    """A rectangle of whole pixels; `right` and `bottom` are the first ones beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Pixels in it."""
        return max(self.right - self.left, 0) * max(self.bottom - self.top, 0)

    def within(self, size: tuple[int, int]) -> "Edges":
        """The part of it within a picture of this (height, width); empty, but in order, where there is none."""
        left, top = max(self.left, 0), max(self.top, 0)
        return Edges(left, top, max(min(self.right, size[1]), left), max(min(self.bottom, size[0]), top))

    def slices(self, left: int = 0, top: int = 0) -> tuple[slice, slice]:
        """Rows and columns, counted from a corner."""
        return slice(self.top - top, self.bottom - top), slice(self.left - left, self.right - left)


def eyes(landmarks: np.ndarray) -> tuple[Point, Point]:
    """The 68 landmarks (68, 2) -> left and right eye, the means of their six points, cut to whole numbers."""
    left, right = (tuple(int(value) for value in landmarks[part].mean(0)) for part in (_LEFT_EYE, _RIGHT_EYE))
    return left, right  # type: ignore[return-value]


def rotation(left: Point, right: Point) -> np.ndarray:
    """The map (2, 3) from the picture to the upright one: a turn about the middle of the eyes (cut to whole numbers).

    The line through the eyes is taken without its direction, so no picture is turned by more than a right angle; eyes
    one above the other make a right angle (the reference divides by 0).
    """
    across, down = right[0] - left[0], right[1] - left[1]
    angle = math.atan(down / across) if across else math.copysign(math.pi / 2, down) * (down != 0)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = (left[0] + right[0]) // 2, (left[1] + right[1]) // 2
    return np.array([[cos, sin, (1 - cos) * x - sin * y], [-sin, cos, sin * x + (1 - cos) * y]])


def warp(image: np.ndarray, forward: np.ndarray, size: tuple[int, int], part: Edges | None = None) -> np.ndarray:
    """A picture through an affine map, bicubic. (H, W, C) uint8, map (2, 3) -> (*size, C) uint8, size (height, width).

    Beyond the picture's edge all is black, also for the kernel's taps. Rounded to whole levels. With `part`, only what
    lies within these edges is worked out, and the rest is black.
    """
    height, width = image.shape[:2]
    within = (part or Edges(0, 0, size[1], size[0])).within(size).slices()
    turn = np.linalg.inv(forward[:, :2])
    rows, cols = np.mgrid[within]
    x, y = (turn[i, 0] * (cols - forward[0, 2]) + turn[i, 1] * (rows - forward[1, 2]) for i in range(2))
    first_col, first_row = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = _cubic_weights(x - first_col), _cubic_weights(y - first_row)
    total = np.zeros((*rows.shape, image.shape[2]))
    for j in range(4):
        for i in range(4):
            row, col = first_row + j - 1, first_col + i - 1
            inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            tap = image[np.where(inside, row, 0), np.where(inside, col, 0)]
            total += (down[j] * across[i] * inside)[..., None] * tap
    whole = np.zeros((*size, image.shape[2]), np.uint8)
    whole[within] = np.clip(np.rint(total), 0, 255)
    return whole


def _cubic_weights(fraction: np.ndarray) -> list[np.ndarray]:
    """Weights of the four taps at -1, 0, 1, 2 for a position `fraction` in [0, 1) behind tap 0; they sum to 1."""

    def near(d):  # |d| <= 1
        return ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1

    def far(d):  # 1 <= |d| <= 2
        return ((_CUBIC * d - 5 * _CUBIC) * d + 8 * _CUBIC) * d - 4 * _CUBIC

    return [far(fraction + 1), near(fraction), near(1 - fraction), far(2 - fraction)]


def edges(forward: np.ndarray, box: Box) -> Edges:
    """Where a face box lies in the upright picture.

    As the reference: the box's top left corner goes through the map, its size stays, and its four edges are rounded
    half to even.
    """
    x, y = forward @ (int(box.x), int(box.y), 1)
    return Edges(*(round(edge) for edge in (x, y, x + box.width, y + box.height)))


def crop(image: np.ndarray, forward: np.ndarray, box: Box) -> np.ndarray:
    """Cuts a face box out of the upright picture. -> (about box.height, about box.width, C); black beyond its edges."""
    cut = edges(forward, box)
    seen = cut.within(image.shape[:2])
    whole = np.zeros((max(cut.bottom - cut.top, 0), max(cut.right - cut.left, 0), image.shape[2]), image.dtype)
    if seen.area:
        whole[seen.slices(cut.left, cut.top)] = image[seen.slices()]
    return whole


def upright_size(image: np.ndarray, *, swap_sides: bool) -> tuple[int, int]:
    """Height and width of a picture's upright one: its own, or with `swap_sides` those of the reference's (W, H)."""
    height, width = image.shape[:2]
    return (width, height) if swap_sides else (height, width)


def face(image: np.ndarray, left: Point, right: Point, box: Box, *, swap_sides: bool = False) -> np.ndarray:
    """The upright face. (H, W, C) uint8 -> (about box.height, about box.width, C) uint8.

    `swap_sides` as the reference, whose upright picture is W high and H wide: of a picture that is not square, it cuts
    off one side and adds black to the other.
    """
    forward = rotation(left, right)
    upright = warp(image, forward, upright_size(image, swap_sides=swap_sides), edges(forward, box))
    return crop(upright, forward, box)


def resize_shorter(image: np.ndarray, side: int) -> np.ndarray:
    """Pillow's antialiased bilinear resize, the shorter side to `side` pixels. (H, W, 3) uint8 -> (H', W', 3) uint8."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = side * width // shorter, side * height // shorter
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
