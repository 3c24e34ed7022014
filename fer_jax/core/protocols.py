"""What the training loop, the evaluation and the tools know of a system."""

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


class DataSpec(NamedTuple):
    """What a system must know of its data before it is built."""

    image_size: int
    channels: int
    steps_per_epoch: int
    classes: Mapping[str, tuple[str, ...]]  # label field -> names, e.g. {"expression": ("surprise", ...)}
    # Label field of several numbers -> the largest value of each in the training split, e.g. {"aus": (0.98, ...)}
    scales: Mapping[str, tuple[float, ...]] = {}
    absent: Mapping[str, tuple[str, ...]] = {}  # label field -> classes that no training picture shows


@runtime_checkable
class System(Protocol):
    """Pure functions over a TrainState; `fer_jax.train` jits, shards and donates them in one place."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of the sample sheet's columns, left to right."""
        ...

    def init(self, key: jax.Array) -> TrainState:
        """A new state."""
        ...

    def phase(self, step: int) -> Hashable:
        """What is due after `step` completed steps, decided on the host. Each value is one compiled program.

        A `lax.cond` on the device would do, but inside one XLA's CPU backend runs convolutions 15 times slower.
        """
        ...

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array, phase: Any) -> tuple[TrainState, Metrics]:
        """One step. `key` is already folded with the step; `phase` is static."""
        ...

    def eval_step(self, state: TrainState, batch: Batch) -> Mapping[str, jax.Array]:
        """Per-example outputs of one evaluation batch, leading axis B."""
        ...

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of a whole split from the outputs of all its examples: nested dicts of floats and lists."""
        ...

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[jax.Array, ...]:
        """The sample sheet's columns, each (B, S, S, C) in [0, 1]."""
        ...


@runtime_checkable
class Recogniser(Protocol):
    """What a system has beside, if it says which expression a single picture shows."""

    @property
    def recognises(self) -> str:
        """The stream whose evaluation view the pictures are seen with."""
        ...

    def prepare(self, state: TrainState) -> TrainState:
        """A state to answer with, not to train: what is the same for all pictures is computed once."""
        ...

    def answer(self, state: TrainState, image: jax.Array) -> Mapping[str, jax.Array]:
        """Pictures (B, S, S, C) in [0, 1] -> "logits" (B, K), and "va" (B, 2) where it knows valence and arousal."""
        ...


@runtime_checkable
class Editor(Protocol):
    """What a system has beside, if it changes what a face shows."""

    @property
    def edits(self) -> str:
        """The stream whose evaluation view the pictures are seen with."""
        ...

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the K numbers that say what a picture shall show."""
        ...

    @property
    def control_range(self) -> tuple[float, float]:
        """The smallest and largest value of a control."""
        ...

    def emotions(self, state: TrainState) -> Mapping[str, Any]:
        """Name of an emotion -> its controls (K,), numbers."""
        ...

    def controls_from(self, labels: Mapping[str, Any]) -> Any:
        """Controls (B, K) that the labels of a data set, by field, say its pictures show; None if they do not say."""
        ...

    def controls_of(self, state: TrainState, image: jax.Array) -> jax.Array:
        """What the system takes pictures (B, S, S, C) in [0, 1] to show: controls (B, K)."""
        ...

    def edit(self, state: TrainState, image: jax.Array, controls: jax.Array, own: jax.Array | None = None) -> jax.Array:
        """Pictures (B, S, S, C) in [0, 1], made to show the controls (B, K); as large, and in [0, 1].

        `own` (B, K) are what they show, where it is known; a system that needs them takes `controls_of` otherwise.
        """
        ...


@runtime_checkable
class Generator(Protocol):
    """What a system has beside, if it draws pictures from noise."""

    @property
    def generates(self) -> str:
        """The stream whose pictures it imitates."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it can be asked for; () where there is no choice."""
        ...

    def generate(self, state: TrainState, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """New pictures (count, S, S, C) in [0, 1], of classes (count,) where there are any; without, drawn evenly.

        The same key draws the same vectors, whatever the classes.
        """
        ...


@runtime_checkable
class Logged(Protocol):
    """What a system has beside, if the program that published it kept a log as a table, which log.csv then is."""

    @property
    def log_columns(self) -> Mapping[str, str]:
        """Name in the record -> column there."""
        ...
