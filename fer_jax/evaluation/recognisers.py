"""Who says what a drawn picture shows: one of the package's own networks, or a run that recognises expressions.

All are asked in the same way, so that a figure or a map can be of any; it is named after who was asked.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.evaluation import face_evaluator as judge

if TYPE_CHECKING:
    from fer_jax.cli.common import Trained

_LUMA = (0.299, 0.587, 0.114)  # as PIL's mode "L"


class Shown(NamedTuple):
    """What a run says of N pictures.

    Attributes:
      probabilities: (N, K) of the expressions.
      features: (N, F), what its last layer sees; None where the system does not say.
    """

    probabilities: np.ndarray
    features: np.ndarray | None


@runtime_checkable
class Looker(Protocol):
    """Who is asked."""

    @property
    def name(self) -> str:
        """What figures are named after."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the expressions."""
        ...

    def look(self, images: np.ndarray) -> Any:
        """Pictures (N, S, S, 1 or 3) in [0, 1], of any size -> `probabilities` and `features`, see `Shown`."""
        ...


class Run:
    """A trained run, asked in batches of one size.

    Its features, where it has any, are what `system.features(state, image)` says: (B, S, S, C) -> (B, F).

    Attributes:
      name: of the system and its folder.
      classes: names of the expressions, as its data set has them.
      has_features: whether there are any.
    """

    def __init__(self, trained: "Trained", where: str, batch: int = 64):
        """Raises UsageError, about the setting `where`, if the run recognises nothing."""
        from fer_jax.core.protocols import Recogniser

        system, runner = trained.system, trained.runner
        if not isinstance(system, Recogniser):
            raise UsageError(
                f"{where} {trained.folder}: a run of {trained.config.system}, which recognises no expressions"
            )
        self.name = f"{trained.config.system}_{trained.folder.resolve().name.removesuffix('.npz')}"
        self.classes, self._batch = trained.spec.classes["expression"], batch
        features: Any = getattr(system, "features", None)
        self.has_features = features is not None
        side, channels = trained.spec.image_size, trained.spec.channels

        def look(state: Any, image: jax.Array) -> Mapping[str, jax.Array]:
            image = _with_channels(
                jax.image.resize(image, (len(image), side, side, image.shape[-1]), "linear"), channels
            )
            said = {"probabilities": jax.nn.softmax(system.answer(state, image)["logits"])}
            return said | ({"features": features(state, image)} if self.has_features else {})

        shared: dict[str, Any] = {"in_shardings": runner.replicated, "out_shardings": runner.replicated}
        self._look = jax.jit(look, **shared)
        self._state = jax.jit(system.prepare, **shared)(trained.state)

    def look(self, images: np.ndarray) -> Shown:
        """What it says; see `Looker`.

        Raises:
          ValueError: no pictures.
        """
        if not len(images):
            raise ValueError("Run.look: no pictures")
        parts = []
        for start in range(0, len(images), self._batch):
            part = np.asarray(images[start : start + self._batch], np.float32)
            padded = np.concatenate([part, np.zeros((self._batch - len(part), *part.shape[1:]), np.float32)])
            said = jax.device_get(self._look(self._state, padded))
            parts.append({name: values[: len(part)] for name, values in said.items()})
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Shown(whole["probabilities"], whole.get("features"))

    def features(self, images: np.ndarray) -> np.ndarray:
        """Pictures -> (N, F), of a run that has features."""
        found = self.look(images).features
        assert found is not None, self.name
        return found


def _with_channels(image: jax.Array, channels: int) -> jax.Array:
    if image.shape[-1] == channels:
        return image
    return jnp.repeat(image, channels, -1) if channels > 1 else (image * jnp.asarray(_LUMA)).sum(-1, keepdims=True)


@functools.lru_cache(maxsize=4)
def load(folder: str, where: str, source: str) -> Looker:
    """The run of a folder, at its selected checkpoint, or for "" what the package has.

    That is the face judge for rendered faces, and the classifier that ships, of FER2013, for photographs.

    Args:
      folder: a workdir, or "".
      where: the setting that names it, for error messages.
      source: of the data that is judged, a name of `fer_jax.data.sources`.

    Raises:
      UsageError: no such run, or it recognises nothing.
    """
    if not folder and source == "rendered_faces":
        return judge.load()
    from fer_jax.cli import common

    if not folder:
        return Run(common.open_pretrained(), where)
    try:
        trained = common.open_workdir(Path(folder), step=None)
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).removeprefix('--workdir ')}") from error
    return Run(trained, where)
