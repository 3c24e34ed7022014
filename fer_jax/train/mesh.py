"""The one place where training steps are jitted, sharded and donated."""

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax

from fer_jax.core.state import TrainState
from fer_jax.inference.runner import Runner


@dataclasses.dataclass(frozen=True, eq=False)
class Trainer(Runner):
    """A `Runner` that trains too."""

    def init(self) -> TrainState:
        """A new state, born on the devices."""
        return self._init()

    @functools.cached_property
    def _init(self) -> Callable[[], TrainState]:
        # Hundreds of draws: with the default generator they take XLA's CPU backend half a minute to compile.
        return jax.jit(
            lambda: self.system.init(jax.random.key(self.seed, impl="unsafe_rbg")), out_shardings=self.replicated
        )

    @functools.cache  # noqa: B019 - one runner a run
    def train_step(self, phase: Hashable) -> Any:
        """(state, batch, key) -> (state, metrics) of a phase; the old state is given up."""

        def step(state, batch, key):
            return self.system.train_step(state, batch, jax.random.fold_in(key, state.step), phase)

        shardings = (self.replicated, self.by_batch, self.replicated)
        out = (self.replicated, self.replicated)
        return jax.jit(step, in_shardings=shardings, out_shardings=out, donate_argnums=0)
