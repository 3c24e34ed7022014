"""What the training loop, evaluation and inference know of a system."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.core.state import TrainState

Batch = Mapping[str, Mapping[str, jax.Array]]  # stream -> field -> (B, ...)
Metrics = Mapping[str, jax.Array]  # scalars of one step; a phase reports what it computed


def interleave(first: jax.Array, second: jax.Array) -> jax.Array:
    """Two (B, ...) -> (2B, ...), taking turns, so that no example changes its device; [0::2] and [1::2] undo it."""
    return jnp.stack([first, second], 1).reshape(-1, *first.shape[1:])


class Prediction(NamedTuple):
    """Outputs of a recogniser for B images.

    Attributes:
      logits: (B, K) of the expressions.
      valence_arousal: (B, 2), None where the system predicts none.
    """

    logits: jax.Array
    valence_arousal: jax.Array | None = None


@runtime_checkable
class System(Protocol):
    """Pure functions over a TrainState; they are jitted, sharded and donated in `train` and `inference`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of the sample sheet's columns, left to right."""
        ...

    def init(self, key: jax.Array) -> TrainState:
        """A new state."""
        ...

    def phase(self, step: int) -> Hashable:
        """What the step after `step` completed ones updates, decided on the host. Each value is one compiled program.

        A `lax.cond` on the device would do, but inside one XLA's CPU backend runs convolutions 15 times slower.
        """
        ...

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: Any) -> tuple[TrainState, Metrics]:
        """One step. `key` is already folded with the step; `phase` is static."""
        ...

    def eval_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Per-example outputs of one evaluation batch, leading axis B. `key` is the same for every batch and step."""
        ...

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of a whole split from the outputs of all its examples: nested dicts of floats and lists."""
        ...

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The sample sheet's columns, each (B, S, S, C) in [0, 1]."""
        ...


@runtime_checkable
class RecognitionSystem(System, Protocol):
    """A system that recognises the expression of a single image."""

    @property
    def recognition_stream(self) -> str:
        """The stream whose evaluation view images are seen with."""
        ...

    def prepare(self, state: TrainState) -> TrainState:
        """A state to predict with, not to train: what is the same for all images is computed once."""
        ...

    def predict(self, state: TrainState, image: jax.Array) -> Prediction:
        """Predictions for images (B, S, S, C) in [0, 1]."""
        ...


@runtime_checkable
class FeatureSystem(RecognitionSystem, Protocol):
    """A recogniser whose last layer's inputs can be had."""

    def features(self, state: TrainState, image: jax.Array) -> jax.Array:
        """Images (B, S, S, C) in [0, 1] -> the features (B, F) that the head is given."""
        ...


@runtime_checkable
class EditingSystem(System, Protocol):
    """A system that changes what a face shows, as a condition says: any tree of arrays with leading axis B."""

    @property
    def editing_stream(self) -> str:
        """The stream whose evaluation view images are seen with."""
        ...

    def condition_of(self, state: TrainState, key: jax.Array, image: jax.Array) -> Any:
        """The condition of images (B, S, S, C) in [0, 1]: what sources show, or what references ask for."""
        ...

    def edit(
        self, state: TrainState, key: jax.Array, image: jax.Array, condition: Any, source: Any = None
    ) -> jax.Array:
        """Edited images (B, S, S, C) in [0, 1].

        Args:
          state: of the networks.
          key: of whatever is drawn; systems that draw nothing ignore it.
          image: (B, S, S, C) in [0, 1].
          condition: what the edited images shall show.
          source: the condition of `image`, where it is known; systems that need it take `condition_of` otherwise.
        """
        ...


@runtime_checkable
class ControlledSystem(EditingSystem, Protocol):
    """An editor whose condition is K named numbers (B, K), such as action units or the coordinates of a point."""

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the K numbers."""
        ...

    @property
    def control_range(self) -> tuple[float, float]:
        """The smallest and largest value of a control."""
        ...

    def expressions(self, state: TrainState) -> Mapping[str, Any]:
        """Name of an expression -> its controls (K,), numbers."""
        ...

    def controls_from(self, labels: Mapping[str, Any]) -> Any:
        """Controls (B, K) of images with the labels of a data set, by field; None where they do not determine them."""
        ...


@runtime_checkable
class SamplingSystem(System, Protocol):
    """A system that draws images from noise."""

    @property
    def sampling_stream(self) -> str:
        """The stream whose images it imitates."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it draws by; () where it draws by none."""
        ...

    def generate(self, state: TrainState, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """New images (count, S, S, C) in [0, 1], of classes (count,) where there are any; without, drawn evenly.

        The same key draws the same vectors, whatever the classes.
        """
        ...


@runtime_checkable
class LoggedSystem(System, Protocol):
    """A system whose published program kept a log as a table, which a run's log.csv then is."""

    @property
    def log_columns(self) -> Mapping[str, str]:
        """Name in the record -> column of the table."""
        ...
