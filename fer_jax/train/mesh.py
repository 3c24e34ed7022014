"""One mesh over all devices, and the one place where steps are jitted, sharded and donated.

The same step runs on one device or many, with the same numbers: the batch is split along "data", everything else is
replicated, and a mean over the batch is a mean over the *global* batch.
"""

import dataclasses
import functools
from collections.abc import Hashable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fer_jax.core.protocols import Editor, System
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

    def init(self) -> TrainState:
        """A new state, born on the devices."""
        return self._init()

    @functools.cached_property
    def _init(self):
        # Hundreds of draws: with the default generator they take XLA's CPU backend half a minute to compile.
        return jax.jit(
            lambda: self.system.init(jax.random.key(self.seed, impl="unsafe_rbg")), out_shardings=self.replicated
        )

    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of a state: what a checkpoint is restored into."""
        shapes = jax.eval_shape(self.system.init, jax.random.key(0))
        return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self.replicated), shapes)

    @functools.cache  # noqa: B019 - one runner a run
    def train_step(self, phase: Hashable):
        """(state, batch, key) -> (state, metrics) of a phase; the old state is given up."""

        def step(state, batch, key):
            return self.system.train_step(state, batch, jax.random.fold_in(key, state.step), phase)

        shardings = (self.replicated, self.by_batch, self.replicated)
        out = (self.replicated, self.replicated)
        return jax.jit(step, in_shardings=shardings, out_shardings=out, donate_argnums=0)

    @functools.cached_property
    def eval_step(self):
        """(state, batch) -> outputs of the whole batch, on every host."""
        return jax.jit(
            self.system.eval_step, in_shardings=(self.replicated, self.by_batch), out_shardings=self.replicated
        )

    @functools.cached_property
    def sample(self):
        """(state, batch, key) -> columns; small, so not split."""
        return jax.jit(self.system.sample, in_shardings=self.replicated, out_shardings=self.replicated)

    @functools.cached_property
    def edit(self):
        """(state, pictures, controls, their own or nothing) -> pictures, of an `Editor`; not split."""
        assert isinstance(self.system, Editor)
        return jax.jit(self.system.edit, in_shardings=self.replicated, out_shardings=self.replicated)

    @functools.cached_property
    def controls_of(self):
        """(state, pictures) -> controls, of an `Editor`; not split."""
        assert isinstance(self.system, Editor)
        return jax.jit(self.system.controls_of, in_shardings=self.replicated, out_shardings=self.replicated)

    @functools.cached_property
    def gather(self):
        """A tree split by batch -> the same on every host."""
        return jax.jit(lambda tree: tree, in_shardings=self.by_batch, out_shardings=self.replicated)

    def to_devices(self, batch: Any, *, split: bool = True) -> Any:
        """A tree of this host's part of a batch -> the global batch on the devices; not split: a copy on each."""
        sharding = self.by_batch if split else self.replicated
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
