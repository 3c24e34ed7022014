"""How pictures become a network's input where nothing is random: in evaluation, and in use on anybody's pictures.

Numpy and Pillow only. Resizing is antialiased, first the width and then the height, as in all versions of Pillow before
13, with which the references ran.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image

from fer_jax.core.config import ViewConfig
from fer_jax.core.errors import UsageError

Resample = Literal["bilinear", "bicubic"]
_LOAD, _SIDE = 256, 224  # "torchvision_eval": pictures enlarged to 256 pixels, of which the middle 224 are seen


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (H, W, 1 or 3) -> (H, W, channels). Colour to grey as PIL's mode "L": 0.299 R + 0.587 G + 0.114 B."""
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.tile(image, (1, 1, 3))
    weighted = image.astype(np.int32) @ np.array([19595, 38470, 7471], np.int32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]


def resize(image: np.ndarray, size: tuple[int, int], resample: Resample = "bilinear") -> np.ndarray:
    """(H, W, C), uint8 or float32, -> (*size, C) of the same type; size is (height, width)."""
    kernel = Image.Resampling[resample.upper()]
    height, width = size
    if image.dtype == np.float32:
        planes = [Image.fromarray(np.ascontiguousarray(image[..., i])) for i in range(image.shape[-1])]
    else:
        planes = [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)]
    wide = [plane.resize((width, plane.height), kernel) if plane.width != width else plane for plane in planes]
    done = [plane.resize((width, height), kernel) if plane.height != height else plane for plane in wide]
    whole = np.stack([np.asarray(plane) for plane in done], -1) if len(done) > 1 else np.asarray(done[0])
    return whole.reshape(height, width, image.shape[-1])


def evaluation_view(
    view: ViewConfig, *, image_size: int, channels: int, resample: Resample = "bilinear"
) -> Callable[[np.ndarray], np.ndarray]:
    """A view without its random parts: uint8 (H, W, 1 or 3) -> float32 (image_size, image_size, channels) in [0, 1].

    Without a crop the whole picture is resized to the square, its aspect not kept. With one, the shorter side is
    resized to `load_size` and the middle is cut out. `augment` "torchvision_eval" is the FER2013 study's: resized to
    256 / 224 of the size, without rounding to whole levels, and the middle cut out.

    Raises:
      UsageError: a crop larger than the loaded picture.
    """
    load_size = view.load_size or image_size
    if view.crop_kind != "none" and load_size < image_size:
        raise UsageError(f"config.data: load_size {load_size} is smaller than image_size {image_size}; set it larger")

    def apply(image: np.ndarray) -> np.ndarray:
        image = to_channels(image, channels)
        if view.augment == "torchvision_eval":
            load = image_size * _LOAD // _SIDE
            return _middle(resize(image.astype(np.float32) / 255, (load, load)), image_size)
        if view.crop_kind == "none":
            image = resize(image, (image_size, image_size), resample)
        else:
            height, width = image.shape[:2]
            shorter = min(height, width)
            loaded = resize(image, (load_size * height // shorter, load_size * width // shorter), resample)
            image = _middle(loaded, image_size)
        return image.astype(np.float32) / 255

    return apply


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = (round((length - side) / 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]
