"""The judge that the package holds: what an edited face shows, said by a network that no editor was trained with.

Its weights (`configs/face_evaluator.py`, stored by `fer_jax.cli.pack`) come from rendered faces of people of its
own seed and know nothing of real ones: on other pictures its figures mean little, and nobody asks it there.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.inference import packed
from fer_jax.systems.face_evaluator.networks import FaceJudge

FILE = Path(__file__).with_name("face_evaluator.npz")


class Seen(NamedTuple):
    """What the judge says of N pictures.

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


class Judge:
    """Asks in batches of one size, so that it is compiled once.

    Attributes:
      name: what distances on its features are named after.
      classes: names of the expressions.
      about: size, network, and the figures it had on people it never saw.
    """

    name = "face_evaluator"

    def __init__(self, about: dict[str, Any], variables: Any, batch: int = 64):
        self.about, self.classes, self._batch = about, tuple(about["spec"]["classes"]["expression"]), batch
        model = {**about["config"]["model"], "depths": tuple(about["config"]["model"]["depths"])}
        self._net = FaceJudge(len(AU_NUMBERS), len(self.classes), **model)
        self._variables, self._size = jax.tree.map(jnp.asarray, variables), about["spec"]["image_size"]

    @functools.cached_property
    def _look(self):
        def look(variables, image):
            if image.shape[-1] == 1:
                image = jnp.repeat(image, 3, -1)
            side = self._size
            image = jax.image.resize(image, (image.shape[0], side, side, 3), "linear")
            said: Any = self._net.apply(variables, image, train=False)
            return said.features, jax.nn.sigmoid(said.aus), jax.nn.softmax(said.logits), said.identity

        return jax.jit(look)

    def look(self, images: np.ndarray) -> Seen:
        """Pictures (N, S, S, 1 or 3) in [0, 1], of any size -> what it says.

        Raises:
          ValueError: no pictures.
        """
        if not len(images):
            raise ValueError("Judge.look: no pictures")
        parts = []
        for start in range(0, len(images), self._batch):
            part = np.asarray(images[start : start + self._batch], np.float32)
            padded = np.concatenate([part, np.zeros((self._batch - len(part), *part.shape[1:]), np.float32)])
            parts.append([value[: len(part)] for value in jax.device_get(self._look(self._variables, padded))])
        return Seen(*map(np.concatenate, zip(*parts, strict=True)))

    def features(self, images: np.ndarray) -> np.ndarray:
        """Pictures (N, S, S, 1 or 3) in [0, 1] -> (N, F)."""
        return self.look(images).features


@functools.cache
def load() -> Judge:
    """The judge of the package."""
    return read(FILE)


def read(path: Path) -> Judge:
    """A judge from a file that `fer_jax.cli.pack` wrote.

    Raises:
      UsageError: it is missing or damaged.
    """
    about, variables = packed.read(path)
    return Judge(about, variables["net"])
