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


def warp(image: np.ndarray, forward: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture through an affine map, bicubic. (H, W, C) uint8, map (2, 3) -> (*size, C) uint8, size (height, width).

    Beyond the picture's edge all is black, also for the kernel's taps. Rounded to whole levels.
    """
    height, width = image.shape[:2]
    turn = np.linalg.inv(forward[:, :2])
    rows, cols = np.mgrid[: size[0], : size[1]]
    x, y = (turn[i, 0] * (cols - forward[0, 2]) + turn[i, 1] * (rows - forward[1, 2]) for i in range(2))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = _cubic_weights(x - left), _cubic_weights(y - top)
    total = np.zeros((*size, image.shape[2]))
    for j in range(4):
        for i in range(4):
            row, col = top + j - 1, left + i - 1
            inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            tap = image[np.where(inside, row, 0), np.where(inside, col, 0)]
            total += (down[j] * across[i] * inside)[..., None] * tap
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)


def _cubic_weights(fraction: np.ndarray) -> list[np.ndarray]:
    """Weights of the four taps at -1, 0, 1, 2 for a position `fraction` in [0, 1) behind tap 0; they sum to 1."""

    def near(d):  # |d| <= 1
        return ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1

    def far(d):  # 1 <= |d| <= 2
        return ((_CUBIC * d - 5 * _CUBIC) * d + 8 * _CUBIC) * d - 4 * _CUBIC

    return [far(fraction + 1), near(fraction), near(1 - fraction), far(2 - fraction)]


def crop(image: np.ndarray, forward: np.ndarray, box: Box) -> np.ndarray:
    """Cuts a face box out of the upright picture. -> (about box.height, about box.width, C); black beyond the edges.

    As the reference: the box's top left corner goes through the map, its size stays, and its four edges are rounded
    half to even.
    """
    x, y = forward @ (int(box.x), int(box.y), 1)
    left, top, right, bottom = (round(edge) for edge in (x, y, x + box.width, y + box.height))
    whole = np.zeros((max(bottom - top, 0), max(right - left, 0), image.shape[2]), image.dtype)
    high, wide = image.shape[:2]
    rows, cols = (max(top, 0), min(bottom, high)), (max(left, 0), min(right, wide))
    if rows[0] < rows[1] and cols[0] < cols[1]:
        whole[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left] = image[slice(*rows), slice(*cols)]
    return whole


def face(image: np.ndarray, left: Point, right: Point, box: Box, *, swap_sides: bool = False) -> np.ndarray:
    """The upright face. (H, W, C) uint8 -> (about box.height, about box.width, C) uint8.

    `swap_sides` as the reference, whose upright picture is W high and H wide: of a picture that is not square, it cuts
    off one side and adds black to the other.
    """
    forward = rotation(left, right)
    height, width = image.shape[:2]
    return crop(warp(image, forward, (width, height) if swap_sides else (height, width)), forward, box)


def resize_shorter(image: np.ndarray, side: int) -> np.ndarray:
    """Pillow's antialiased bilinear resize, the shorter side to `side` pixels. (H, W, 3) uint8 -> (H', W', 3) uint8."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = side * width // shorter, side * height // shorter
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
