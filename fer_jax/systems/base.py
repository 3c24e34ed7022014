"""What the training loop, the evaluation and the tools know of a system."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from fer_jax.train.state import TrainState

Batch = Mapping[str, Mapping[str, jax.Array]]  # stream -> field -> (B, ...)


Metrics = Mapping[str, jax.Array]  # scalars of one step; a phase reports what it computed


class DataSpec(NamedTuple):
    """What a system must know of its data before it is built."""

    image_size: int
    channels: int
    steps_per_epoch: int
    classes: Mapping[str, tuple[str, ...]]  # label field -> names, e.g. {"expression": ("surprise", ...)}


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
