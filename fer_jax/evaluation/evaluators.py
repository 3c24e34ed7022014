"""The independent networks that score generated images: the package's own, or a run that recognises expressions.

All are used in the same way, so that a figure or a map can be of any; it is named after the network.
"""

import functools
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.evaluation import face_evaluator
from fer_jax.inference.loading import open_packed, open_run
from fer_jax.inference.recogniser import Recogniser


@runtime_checkable
class ImageEvaluator(Protocol):
    """A network that tells the expression of images."""

    @property
    def name(self) -> str:
        """What figures are named after."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the expressions."""
        ...

    @property
    def has_features(self) -> bool:
        """Whether it gives features to take distances on."""
        ...

    def evaluate(self, images: np.ndarray) -> Any:
        """Images (N, S, S, 1 or 3) in [0, 1], of any size -> a tuple with `probabilities` (N, K)."""
        ...

    def features(self, images: np.ndarray) -> np.ndarray:
        """Images (N, S, S, 1 or 3) in [0, 1], of any size -> (N, F)."""
        ...


@functools.lru_cache(maxsize=4)
def load(folder: str | None, where: str, source: str) -> ImageEvaluator:
    """The run of a folder, at its selected checkpoint, or for None what the package has.

    That is the face evaluator for rendered faces, and the FER2013 classifier for photographs.

    Args:
      folder: a workdir; None: the package's.
      where: the setting that names it, for error messages.
      source: of the images, a name of `fer_jax.data.registry.available`.

    Raises:
      UsageError: no such run, or it recognises nothing.
    """
    if folder is None:
        return face_evaluator.load() if source == "rendered_faces" else Recogniser(open_packed("fer2013"))
    try:
        return Recogniser(open_run(Path(folder)))
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).removeprefix('--workdir ')}") from error
