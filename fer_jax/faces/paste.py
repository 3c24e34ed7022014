"""Faces within a photograph: found, cut out as squares for a network, and put back without a seam.

Photographs are (H, W, 3) in [0, 1]. What is put back is not the network's small picture enlarged, which would be
blurred: where the network changed little, the photograph's own detail is added to it again; and towards the edge of the
square it fades into the photograph, which therefore stays as it is outside, and everywhere if nothing was changed.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.data.alignment import Box, Edges

BLENDS = ("feather", "poisson")
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # as PIL's mode "L"
_FEATHER = 0.15  # of the side: how far inside of the square's edge the face is wholly the network's
_CHANGED = 0.1  # from this mean difference on nothing of the photograph's detail is kept: it is of the old face


@runtime_checkable
class Detector(Protocol):
    """What finds faces. The package has none of its own: give the boxes, or wrap a detector at hand."""

    def __call__(self, photograph: np.ndarray) -> Sequence[Box]:
        """A photograph (H, W, 3) in [0, 1] -> the boxes of its faces."""
        ...


class Given(NamedTuple):
    """A detector that says what it was told."""

    boxes: tuple[Box, ...]

    def __call__(self, photograph: np.ndarray) -> tuple[Box, ...]:
        """The boxes."""
        del photograph
        return self.boxes


def parse_box(text: str, where: str = "--box") -> Box:
    """A box from "X,Y,WIDTH,HEIGHT" in pixels.

    >>> parse_box("40,30,96,120")
    Box(x=40.0, y=30.0, width=96.0, height=120.0)

    Raises:
      UsageError: other than four numbers, or no size.
    """
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"{where}={text}: write X,Y,WIDTH,HEIGHT in pixels, e.g. {where}=40,30,96,120") from None
    if not (width >= 1 and height >= 1 and np.isfinite([x, y, width, height]).all()):
        raise UsageError(f"{where}={text}: width and height must be 1 pixel or more")
    return Box(x, y, width, height)


def find(photograph: np.ndarray, detector: Detector, *, margin: float = 0.0) -> list[Edges]:
    """The squares around the faces that a detector finds; `margin`, a share of the longer side, is added all around.

    A square that would leave the picture is moved inside, and made smaller where the picture is.

    Raises:
      UsageError: no face, or a box that does not lie within the picture.
    """
    height, width = photograph.shape[:2]
    boxes = detector(photograph)
    if not boxes:
        raise UsageError(f"no face was found in the picture of {width} x {height} pixels; give one with --box")
    for box in boxes:
        if box.x < 0 or box.y < 0 or box.x + box.width > width or box.y + box.height > height:
            shown = ",".join(f"{number:g}" for number in box)
            raise UsageError(f"--box={shown}: not within the picture, which is {width} x {height} pixels")
    squares = []
    for box in boxes:
        side = round(min(max(box.width, box.height) * (1 + 2 * margin), width, height))
        left, top = (
            round(min(max(start + size / 2 - side / 2, 0), whole - side))
            for start, size, whole in ((box.x, box.width, width), (box.y, box.height, height))
        )
        squares.append(Edges(left, top, left + side, top + side))
    return squares


def cut(photograph: np.ndarray, square: Edges, *, image_size: int, channels: int) -> np.ndarray:
    """A square as a network sees it: (image_size, image_size, channels) in [0, 1], antialiased."""
    return np.clip(_resize(_seen(photograph[square.slices()], channels), image_size), 0, 1)


def paste(
    photograph: np.ndarray, square: Edges, before: np.ndarray, after: np.ndarray, *, blend: str = "feather"
) -> np.ndarray:
    """The photograph with a face changed.

    Args:
      photograph: (H, W, 3) in [0, 1].
      square: where the face was cut out.
      before: (S, S, C) in [0, 1], what was cut out.
      after: (S, S, C) in [0, 1], what the network made of it.
      blend: "feather" fades out towards the edge; "poisson" before that spreads the difference there is at the edge
        smoothly over the face (Pérez et al. 2003), which takes away another colour or brightness of the whole.

    Raises:
      UsageError: an unknown blend.
    """
    if blend not in BLENDS:
        raise UsageError(f"--blend: {blend!r} is not one of {', '.join(BLENDS)}")
    side, own = square.right - square.left, photograph[square.slices()]
    seen = _seen(own, after.shape[-1])
    kept = 1 - np.clip(_resize(np.abs(after - before).mean(-1, keepdims=True), side) / _CHANGED, 0, 1)
    face = _resize(after, side) + kept * (seen - _resize(before, side)) + (own - seen)
    if blend == "poisson":
        face = face + _membrane(own - face)
    ramp = np.clip((np.arange(side) + 0.5) / max(_FEATHER * side, 1), 0, 1)
    ramp = np.minimum(ramp, ramp[::-1])
    ramp = ramp * ramp * (3 - 2 * ramp)
    share = np.outer(ramp, ramp)[..., None].astype(np.float32)
    whole = photograph.copy()
    whole[square.slices()] = np.clip(own + share * (face - own), 0, 1)
    return whole


def _seen(picture: np.ndarray, channels: int) -> np.ndarray:
    """(H, W, 3) -> what a network of so many channels sees of it."""
    return picture if channels == 3 else (picture * _LUMA).sum(-1, keepdims=True)


def _resize(picture: np.ndarray, side: int) -> np.ndarray:
    """(H, W, C) -> (side, side, C), bilinear and antialiased, in floating point: values need not be in [0, 1]."""
    if picture.shape[:2] == (side, side):
        return picture
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize((side, side), Image.Resampling.BILINEAR)
        )
        for plane in np.moveaxis(picture, -1, 0)
    ]
    return np.stack(planes, -1)


def _membrane(values: np.ndarray) -> np.ndarray:
    """The smoothest (S, S, C) with the same edge: harmonic inside, solved exactly by a sine transform."""
    from scipy.fft import dstn, idstn

    inner = len(values) - 2
    if inner < 1:
        return values
    edge = values.copy()
    edge[1:-1, 1:-1] = 0
    # The five-point Laplace equation of the inside, what lies on the edge brought to the other side.
    right = edge[:-2, 1:-1] + edge[2:, 1:-1] + edge[1:-1, :-2] + edge[1:-1, 2:]
    eigen = 2 - 2 * np.cos(np.pi * np.arange(1, inner + 1) / (inner + 1))
    modes = dstn(right, type=1, axes=(0, 1)) / (eigen[:, None] + eigen)[..., None]
    edge[1:-1, 1:-1] = idstn(modes, type=1, axes=(0, 1))
    return edge
