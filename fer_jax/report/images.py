"""Sheets, strips and GIFs of pictures in [0, 1]."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_GAP = 2
_HEADER = 14
_MARGIN = 30  # for the titles of rows, at least
_LETTER = 6  # width of one


def to_bytes(pictures: np.ndarray) -> np.ndarray:
    """Values in [0, 1] -> uint8, rounded (the reference truncates), values outside cut off."""
    return np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)


def sheet(columns: Mapping[str, np.ndarray], *, rows: Sequence[str] = (), scale: int | None = None) -> Image.Image:
    """One row for each example, one titled column for each name. Columns are (N, H, W, 1 or 3) in [0, 1].

    Rows are titled too where `rows` names them. Small pictures are enlarged by a whole factor `scale`; None makes them
    at least 96 pixels high.
    """
    arrays = [to_bytes(np.asarray(column)) for column in columns.values()]
    count, height, width = arrays[0].shape[:3]
    scale = scale or max(1, -(-96 // height))
    cell_height, cell_width = height * scale + _GAP, width * scale + _GAP
    margin = max([_MARGIN, *(_LETTER * len(name) + 6 for name in rows)]) * bool(rows)
    size = (margin + len(arrays) * cell_width + _GAP, count * cell_height + _GAP + _HEADER)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for row, name in enumerate(rows):
        draw.text((2, _HEADER + row * cell_height + cell_height // 2 - 6), name, fill="black")
    for column, (name, pictures) in enumerate(zip(columns, arrays, strict=True)):
        draw.text((margin + _GAP + column * cell_width + 2, 1), name, fill="black")
        for row, picture in enumerate(pictures):
            at = (margin + _GAP + column * cell_width, _HEADER + row * cell_height)
            canvas.paste(enlarge(picture, scale), at)
    return canvas


def grid(pictures: np.ndarray, *, columns: int = 8, scale: int = 1) -> Image.Image:
    """Pictures (N, H, W, 1 or 3) in [0, 1] in rows of `columns`, without titles."""
    arrays = to_bytes(np.asarray(pictures))
    height, width = (side * scale + _GAP for side in arrays.shape[1:3])
    columns = min(columns, len(arrays))
    canvas = Image.new("RGB", (columns * width + _GAP, -(-len(arrays) // columns) * height + _GAP), "white")
    for i, picture in enumerate(arrays):
        canvas.paste(enlarge(picture, scale), (_GAP + i % columns * width, _GAP + i // columns * height))
    return canvas


def beside(parts: Mapping[str, Image.Image]) -> Image.Image:
    """Pictures from left to right, each under its title."""
    width = sum(part.width for part in parts.values()) + _MARGIN * (len(parts) - 1)
    canvas = Image.new("RGB", (width, _HEADER + max(part.height for part in parts.values())), "white")
    draw, left = ImageDraw.Draw(canvas), 0
    for title, part in parts.items():
        draw.text((left + _GAP, 1), title, fill="black")
        canvas.paste(part, (left, _HEADER))
        left += part.width + _MARGIN
    return canvas


def enlarge(picture: np.ndarray, scale: int = 1) -> Image.Image:
    """uint8 (H, W, 1 or 3) -> RGB picture, enlarged by a whole factor."""
    image = Image.fromarray(np.repeat(picture, 3, -1) if picture.shape[-1] == 1 else picture)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def save_gif(path: Path, pictures: Sequence[np.ndarray], *, milliseconds: int, scale: int = 1) -> None:
    """An endless GIF of pictures (H, W, 1 or 3) in [0, 1]."""
    frames = [enlarge(to_bytes(np.asarray(picture)), scale) for picture in pictures]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
