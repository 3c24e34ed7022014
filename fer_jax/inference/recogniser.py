"""Recognising expressions in anybody's pictures."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import FeatureSystem, RecognitionSystem
from fer_jax.inference.batches import in_batches
from fer_jax.inference.images import InputView, Loaded, Source, Sources, find, load_ahead
from fer_jax.inference.loading import LoadedRun
from fer_jax.inference.predictions import Predictions, Row, columns

_LUMA = (0.299, 0.587, 0.114)  # as PIL's mode "L"


class Outputs(NamedTuple):
    """Outputs of a recogniser for N images.

    Attributes:
      probabilities: (N, K) of the expressions.
      valence_arousal: (N, 2), None where the system predicts none.
    """

    probabilities: Any  # np.ndarray, or jax.Array within the compiled call
    valence_arousal: Any


class Recogniser:
    """A trained network that recognises expressions. It is compiled at its first use, once for each batch size.

    Attributes:
      run: the run or packed weights that it is of.
      name: what figures are named after.
      classes: names of the expressions.
      batch_size: images that go through the network together where there are many, a multiple of the devices.
    """

    def __init__(self, run: LoadedRun, *, batch_size: int = 64):
        """Makes one of a run.

        Args:
          run: of a system that recognises.
          batch_size: rounded up to a multiple of the devices.

        Raises:
          UsageError: the run's system recognises no expressions.
        """
        if not isinstance(run.system, RecognitionSystem):
            raise UsageError(f"{run.path}: a run of {run.config.system}, which recognises no expressions")
        self.run, self.name, self.classes = run, run.name, run.spec.classes["expression"]
        devices = run.runner.mesh.size
        self.batch_size = -(-batch_size // devices) * devices
        self._system, self._devices = run.system, devices
        self.view = InputView(run.config, run.system.recognition_stream)

    # ---- pictures ----

    def predict(self, sources: Sources) -> Predictions:
        """Predicts the expression in pictures of faces.

        Args:
          sources: names of files, folders (every picture below, sorted) and patterns; PIL pictures; arrays
            (H, W, 1 or 3) or (N, H, W, 1 or 3), uint8 or float in [0, 1]; or a list of such. A picture is taken as the
            crop of a face.

        Returns:
          A row for each picture, in order; one that cannot be read has the reason in its column "error".

        Raises:
          UsageError: no such pictures.
        """
        rows = [row for row, _ in self.rows(find(sources))]
        return Predictions(rows, columns(self.classes), self.name)

    def rows(self, sources: Iterable[Source]) -> Iterator[tuple[Row, np.ndarray | None]]:
        """Each picture's row and, where it could be read, the image (S, S, C) in [0, 1], in order."""
        loaded = load_ahead(sources, self.view, ahead=2 * self.batch_size)
        while chunk := list(itertools.islice(loaded, self.batch_size)):
            images = [one.image for one in chunk if one.image is not None]
            found = iter(self._each(np.stack(images)) if images else ())
            for one in chunk:
                yield self._row(one, None if one.image is None else next(found)), one.image

    def _each(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        outputs = self.outputs(images)
        circumplex = outputs.valence_arousal
        for i, shares in enumerate(outputs.probabilities):
            yield shares, None if circumplex is None else circumplex[i]

    def _row(self, one: Loaded, found: tuple[np.ndarray, np.ndarray | None] | None) -> Row:
        row: Row = dict.fromkeys(columns(self.classes))
        row["file"] = str(one.source) if isinstance(one.source, str | Path) else "image"
        if found is None:
            return {**row, "error": one.error}
        shares, circumplex = found
        row["class"] = self.classes[int(shares.argmax())]
        row |= {f"p_{expression}": float(share) for expression, share in zip(self.classes, shares, strict=True)}
        if circumplex is not None:
            row |= {"valence": float(circumplex[0]), "arousal": float(circumplex[1])}
        return row

    # ---- images ----

    @property
    def predicts_valence_arousal(self) -> bool:
        """Whether the network predicts valence and arousal."""
        image = jax.ShapeDtypeStruct((self._devices, *self.view.shape), np.float32)
        return jax.eval_shape(self._system.predict, self._state, image).valence_arousal is not None

    @property
    def has_features(self) -> bool:
        """Whether the features that its head is given can be had."""
        return isinstance(self._system, FeatureSystem)

    def outputs(self, images: np.ndarray) -> Outputs:
        """Outputs for images (N, S, S, 1 or 3) in [0, 1] of any size, N above 0."""
        call = functools.partial(self._compiled, self._state)
        return Outputs(*in_batches(call, np.asarray(images, np.float32), size=self._size(len(images))))

    def evaluate(self, images: np.ndarray) -> Outputs:
        """The same as `outputs`: what an `ImageEvaluator` has."""
        return self.outputs(images)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Images (N, S, S, 1 or 3) in [0, 1] of any size -> features (N, F).

        Raises:
          UsageError: the system gives none.
        """
        if not self.has_features:
            raise UsageError(f"{self.run.path}: a run of {self.run.config.system}, whose features cannot be had")
        call = functools.partial(self._compiled_features, self._state)
        return in_batches(call, np.asarray(images, np.float32), size=self._size(len(images)))

    def _size(self, count: int) -> int:
        """One image need not wait for a whole batch."""
        return self.batch_size if count > self._devices else self._devices

    @functools.cached_property
    def _state(self) -> Any:
        return self.run.runner.replicate(self._system.prepare)(self.run.state)

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        def outputs(state: Any, image: jax.Array) -> Outputs:
            found = self._system.predict(state, self._fitted(image))
            return Outputs(jax.nn.softmax(found.logits), found.valence_arousal)

        return self.run.runner.split(outputs)

    @functools.cached_property
    def _compiled_features(self) -> Callable[..., Any]:
        system: Any = self._system
        return self.run.runner.split(lambda state, image: system.features(state, self._fitted(image)))

    def _fitted(self, image: jax.Array) -> jax.Array:
        """Images of any size and colour as the network takes them."""
        side, _, channels = self.view.shape
        if image.shape[1:3] != (side, side):
            image = jax.image.resize(image, (len(image), side, side, image.shape[-1]), "linear")
        if image.shape[-1] == channels:
            return image
        if channels > 1:
            return jax.numpy.repeat(image, channels, -1)
        return (image * jax.numpy.asarray(_LUMA)).sum(-1, keepdims=True)
