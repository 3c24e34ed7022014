"""The face evaluator that the package holds: it reads edited faces, and no editor was trained with it.

Its weights (`configs/face_evaluator.py`, stored by scripts/pack.py) come from rendered faces of people of its own seed
and know nothing of real ones: on other images its figures mean little, and it is not used there.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.inference import packed
from fer_jax.inference.batches import in_batches
from fer_jax.systems.face_evaluator.networks import FaceEvaluatorNet

FILE = Path(__file__).with_name("face_evaluator.npz")


class FaceScores(NamedTuple):
    """What the evaluator reads in N images.

    Attributes:
      features: (N, F), for Fréchet distances.
      aus: (N, 17) intensities in [0, 1].
      probabilities: (N, K) of the expressions.
      identity: (N, E) unit vectors; the dot product of two is their likeness.
    """

    features: np.ndarray
    aus: np.ndarray
    probabilities: np.ndarray
    identity: np.ndarray


class FaceEvaluator:
    """The network with its weights, compiled once.

    Attributes:
      name: what distances on its features are named after.
      classes: names of the expressions.
      about: size, network, and the figures it had on people it never saw.
    """

    name = "face_evaluator"
    has_features = True

    def __init__(self, about: dict[str, Any], variables: Any, batch: int = 64):
        self.about, self.classes, self._batch = about, tuple(about["spec"]["classes"]["expression"]), batch
        model = about["config"]["model"]
        self._net = FaceEvaluatorNet(
            len(AU_NUMBERS), len(self.classes), model["embedding"], tuple(model["depths"]), model["width"]
        )
        self._variables, self._size = jax.tree.map(jnp.asarray, variables), about["spec"]["image_size"]

    @functools.cached_property
    def _compiled(self) -> Callable[..., FaceScores]:
        def scores(variables: Any, image: jax.Array) -> FaceScores:
            if image.shape[-1] == 1:
                image = jnp.repeat(image, 3, -1)
            image = jax.image.resize(image, (image.shape[0], self._size, self._size, 3), "linear")
            found: Any = self._net.apply(variables, image, train=False)
            scores: Any = (found.features, jax.nn.sigmoid(found.aus), jax.nn.softmax(found.logits), found.identity)
            return FaceScores(*scores)

        return jax.jit(scores)

    def evaluate(self, images: np.ndarray) -> FaceScores:
        """Reads images (N, S, S, 1 or 3) in [0, 1], of any size, N above 0."""
        call = functools.partial(self._compiled, self._variables)
        return in_batches(call, np.asarray(images, np.float32), size=self._batch)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Images (N, S, S, 1 or 3) in [0, 1] -> (N, F)."""
        return self.evaluate(images).features


@functools.cache
def load() -> FaceEvaluator:
    """The evaluator of the package."""
    return read(FILE)


def read(path: Path) -> FaceEvaluator:
    """An evaluator from a file of packed weights.

    Raises:
      UsageError: it is missing or damaged.
    """
    about, variables = packed.read(path)
    return FaceEvaluator(about, variables["net"])
