"""Parts of a picture that a classifier is asked about, whose answers are averaged (test-time augmentation)."""

import jax

CROPS = ("single", "flip", "ten")
_SHARE = 11 / 12  # of a side that each of the ten parts has: 44 of 48 pixels


def crops(image: jax.Array, kind: str) -> list[jax.Array]:
    """Pictures (B, S, S, C) -> the parts that `kind` names, each (B, P, P, C).

    "single": the picture; "flip": it and its mirror image; "ten": four corners and the middle, of 11/12 of a side, and
    their mirror images (Krizhevsky et al., 2012), as the well-known FER2013 results are got.

    Raises:
      ValueError: an unknown kind.
    """
    if kind == "single":
        return [image]
    if kind == "flip":
        return [image, image[:, :, ::-1]]
    if kind != "ten":
        raise ValueError(f"crops: {kind!r} is not one of {', '.join(CROPS)}")
    side = image.shape[1]
    part = round(side * _SHARE)
    room = side - part
    places = [(0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)]
    cut = [image[:, row : row + part, col : col + part] for row, col in places]
    return cut + [one[:, :, ::-1] for one in cut]
