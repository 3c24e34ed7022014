"""One mesh over all devices, and a system's evaluation and use compiled for it.

The same step runs on one device or many, with the same numbers: the batch is split along "data", everything else is
replicated, and a mean over the batch is a mean over the *global* batch. Training steps: `fer_jax.train.mesh`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import EditingSystem, System
from fer_jax.core.state import TrainState


@dataclasses.dataclass(frozen=True, eq=False)
class Runner:
    """A system on all devices, or the first `devices`; step keys are folded from the run's `seed` and the step."""

    system: System
    seed: int
    devices: int | None = None

    @functools.cached_property
    def mesh(self) -> Mesh:
        """The devices in one row."""
        return Mesh(np.array(jax.devices()[: self.devices]), ("data",), axis_types=(AxisType.Auto,))

    @functools.cached_property
    def replicated(self) -> NamedSharding:
        """On every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @functools.cached_property
    def by_batch(self) -> NamedSharding:
        """Leading axis split among the devices."""
        return NamedSharding(self.mesh, PartitionSpec("data"))

    @functools.cached_property
    def key(self) -> jax.Array:
        """The run's base key."""
        return jax.jit(lambda: jax.random.key(self.seed), out_shardings=self.replicated)()

    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of a state: what a checkpoint is restored into."""
        shapes = jax.eval_shape(self.system.init, jax.random.key(0))
        return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self.replicated), shapes)

    @functools.cached_property
    def constant_key(self) -> jax.Array:
        """The key of evaluations, which draw the same in every run."""
        return jax.jit(lambda: jax.random.key(0), out_shardings=self.replicated)()

    @functools.cached_property
    def eval_step(self) -> Callable[..., Any]:
        """(state, batch, key) -> outputs of the whole batch, on every host."""
        shardings = (self.replicated, self.by_batch, self.replicated)
        return jax.jit(self.system.eval_step, in_shardings=shardings, out_shardings=self.replicated)

    @functools.cached_property
    def sample(self) -> Callable[..., Any]:
        """(state, batch, key) -> columns; small, so not split."""
        return self.replicate(self.system.sample)

    def replicate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function compiled to run whole on every device."""
        return jax.jit(function, in_shardings=self.replicated, out_shardings=self.replicated)

    def split(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of (state, images (B, ...)) compiled to run with B split among the devices."""
        return jax.jit(function, in_shardings=(self.replicated, self.by_batch), out_shardings=self.replicated)

    @functools.cached_property
    def _edit(self) -> Callable[..., Any]:
        return self.replicate(self.editor.edit)

    @functools.cached_property
    def _condition_of(self) -> Callable[..., Any]:
        return self.replicate(self.editor.condition_of)

    @property
    def editor(self) -> EditingSystem:
        """The system, which edits.

        Raises:
          UsageError: it does not.
        """
        if not isinstance(self.system, EditingSystem):
            raise UsageError(f"{type(self.system).__name__} edits nothing; take a run of au_cyclegan or ganmut")
        return self.system

    def edit(self, state: TrainState, image: Any, condition: Any, source: Any = None, key: Any = None) -> jax.Array:
        """Edited images of an `EditingSystem`, see there; without a key the run's."""
        return self._edit(state, self.key if key is None else key, image, condition, source)

    def condition_of(self, state: TrainState, image: Any, key: Any = None) -> Any:
        """The condition of images, of an `EditingSystem`, see there; without a key the run's."""
        return self._condition_of(state, self.key if key is None else key, image)

    @functools.cached_property
    def gather(self):
        """A tree split by batch -> the same on every host."""
        return jax.jit(lambda tree: tree, in_shardings=self.by_batch, out_shardings=self.replicated)

    def to_devices(self, batch: Any, *, split: bool = True) -> Any:
        """A tree of this host's part of a batch -> the global batch on the devices; not split: a copy on each."""
        sharding = self.by_batch if split else self.replicated
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
