"""What the training loop, the evaluation and the tools know of a system."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.train.state import TrainState

Batch = Mapping[str, Mapping[str, jax.Array]]  # stream -> field -> (B, ...)


@flax.struct.dataclass
class Mean:
    """A metric's contribution of one step: the loop logs sum(total) / sum(count), nothing while the count is 0."""

    total: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, value: jax.Array) -> "Mean":
        """A value that every step has."""
        return cls(value, jnp.ones((), jnp.int32))

    @classmethod
    def absent(cls, dtype: Any = jnp.float32) -> "Mean":
        """A value that this step does not have: a network that was not updated."""
        return cls(jnp.zeros((), dtype), jnp.zeros((), jnp.int32))


Metrics = Mapping[str, Mean]


class DataSpec(NamedTuple):
    """What a system must know of its data before it is built."""

    image_size: int
    channels: int
    steps_per_epoch: int
    classes: Mapping[str, tuple[str, ...]]  # label field -> names, e.g. {"expression": ("surprise", ...)}


class System(Protocol):
    """Pure functions over a TrainState; `fer_jax.train` jits, shards and donates them in one place."""

    def init(self, key: jax.Array) -> TrainState:
        """A new state."""
        ...

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        """One step. `key` is already folded with the step."""
        ...

    def eval_step(self, state: TrainState, batch: Batch) -> Mapping[str, jax.Array]:
        """Per-example outputs of one evaluation batch, leading axis B."""
        ...

    def score(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Figures of a whole split from the outputs of all its examples: nested dicts of floats and lists."""
        ...

    def sample(self, state: TrainState, batch: Batch, key: jax.Array) -> Mapping[str, jax.Array]:
        """Columns of the sample sheet, left to right, each (B, S, S, C) in [0, 1]."""
        ...
