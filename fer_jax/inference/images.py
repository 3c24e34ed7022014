"""Pictures that a user gives: files, folders and patterns found; files, PIL pictures and arrays read."""

import collections
import functools
import glob
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.writing import whole_file
from fer_jax.data.views import Resample, evaluation_view

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")  # looked for in folders
_THREADS = 4
Source = str | Path | Image.Image | np.ndarray
Sources = Source | Iterable[Source]


def find(sources: Sources) -> list[Source]:
    """Pictures that names of files, folders (every picture below, sorted) and patterns stand for, and given ones.

    A file need not be there, nor be a picture. An array with four dimensions is as many pictures.

    Raises:
      UsageError: there are none, or a folder or pattern stands for none.
    """
    if isinstance(sources, np.ndarray):
        sources = list(sources) if sources.ndim == 4 else [sources]
    elif isinstance(sources, str | Path | Image.Image):
        sources = [sources]
    found: list[Source] = []
    for source in sources:
        found += _named(str(source)) if isinstance(source, str | Path) else [source]
    if not found:
        raise UsageError("no pictures given; name files, folders or patterns, or give PIL pictures or arrays")
    return found


def _named(name: str) -> list[str]:
    names = [name]
    if not os.path.exists(name) and glob.has_magic(name):
        names = sorted(glob.glob(name, recursive=True))
    files = [file for one in names for file in (_below(one) if os.path.isdir(one) else [one])]
    if not files:
        raise UsageError(f"{name}: no pictures there; looked for are, in folders, {', '.join(ENDINGS)}")
    return files


def _below(folder: str) -> list[str]:
    return sorted(str(file) for file in Path(folder).rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())


def read(source: Source) -> np.ndarray:
    """A picture upright (EXIF), uint8 (H, W, 1 or 3).

    Args:
      source: a file, a PIL picture, or an array (H, W), (H, W, 1) or (H, W, 3), uint8 or float in [0, 1].

    Raises:
      UsageError: it is missing, damaged, no picture, or an array of another kind.
    """
    if isinstance(source, np.ndarray):
        return _array(source)
    if isinstance(source, Image.Image):
        return _pixels(source)
    try:
        with Image.open(source) as opened:
            return _pixels(opened)
    except FileNotFoundError:
        raise UsageError(f"{source}: no such picture") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "is not a picture" if isinstance(error, Image.UnidentifiedImageError) else f"cannot be read: {error}"
        raise UsageError(f"{source}: {reason}") from error


def _pixels(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which PIL's own conversion cuts off at 255
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _array(values: np.ndarray) -> np.ndarray:
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3) or 0 in values.shape:
        raise UsageError(f"an array of shape {values.shape}: needed is (H, W), (H, W, 1) or (H, W, 3)")
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f" or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise UsageError(f"an array of {values.dtype}: needed is uint8, or float in [0, 1]")
    return np.rint(values * 255).astype(np.uint8)


class InputView:
    """How a run's network is given a picture: as in the evaluation of one of its streams."""

    def __init__(self, config: SystemConfig, stream: str, resample: Resample = "bilinear"):
        data = config.data
        self.shape = (data.image_size, data.image_size, data.channels)
        self._view = evaluation_view(
            data.streams[stream].eval_view, image_size=data.image_size, channels=data.channels, resample=resample
        )

    def __call__(self, source: Source) -> np.ndarray:
        """A picture as float32 (S, S, C) in [0, 1].

        Raises:
          UsageError: as `read` does.
        """
        return self._view(read(source))


class Loaded(NamedTuple):
    """A picture that was loaded, or why it could not be.

    Attributes:
      source: as it was given.
      image: (S, S, C) in [0, 1]; None where it could not be read.
      error: "" where it could.
    """

    source: Source
    image: np.ndarray | None
    error: str = ""


def load_ahead(sources: Iterable[Source], view: InputView, ahead: int) -> Iterator[Loaded]:
    """Pictures through a view in order; threads are up to `ahead` pictures ahead. A bad picture stops nothing."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: collections.deque[Any] = collections.deque()
        for source in sources:
            waiting.append(threads.submit(_attempt, view, source))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _attempt(view: InputView, source: Source) -> Loaded:
    try:
        return Loaded(source, view(source))
    except UsageError as error:
        return Loaded(source, None, str(error).removeprefix(f"{source}: "))
    except Exception as error:  # whatever a decoder says of a broken file: the others go on
        return Loaded(source, None, f"cannot be read: {type(error).__name__}: {error}")


def names_of(sources: Iterable[Source]) -> list[str]:
    """What results of pictures are called: a file's stem, else "image"; numbered where two are the same."""
    stems = [Path(source).stem if isinstance(source, str | Path) else "image" for source in sources]
    return [stem if stems.count(stem) == 1 else f"{stem}-{i}" for i, stem in enumerate(stems)]


def to_picture(image: np.ndarray) -> Image.Image:
    """An image (H, W, 1 or 3) in [0, 1] as a PIL picture."""
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def write_picture(picture: Image.Image, path: Path) -> None:
    """Saves a picture in the format that the name's ending names.

    Raises:
      UsageError: it cannot be written there, or the ending is no picture format's.
    """
    try:
        format_of = _formats().get(path.suffix.lower())
        if format_of is None:
            raise ValueError(f"unknown file extension: {path.suffix}")
        with whole_file(path) as partial:
            picture.save(partial, format_of)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


@functools.cache
def _formats() -> dict[str, str]:
    return Image.registered_extensions()
