"""What is trained: one shape for one-network and many-network systems."""

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

PyTree = Any


class NetState(flax.struct.PyTreeNode):
    """One network. `ema` is an exponential moving average of `params`, None where the method keeps none."""

    params: PyTree
    opt_state: optax.OptState
    stats: PyTree = None  # every collection that is not params: running statistics, spectral-norm vectors
    ema: PyTree | None = None

    @classmethod
    def create(
        cls, params: PyTree, tx: optax.GradientTransformation, *, stats: PyTree = None, ema: bool = False
    ) -> "NetState":
        """A network at the start of training."""
        # A copy, since donated buffers must not be shared between two leaves.
        average = jax.tree.map(jnp.copy, params) if ema else None
        return cls(params=params, opt_state=tx.init(params), stats=stats, ema=average)

    def update(self, grads: PyTree, tx: optax.GradientTransformation, *, ema_decay: float = 0.0) -> "NetState":
        """One optimiser step; moves the average where there is one."""
        updates, opt_state = tx.update(grads, self.opt_state, self.params)
        params = optax.apply_updates(self.params, updates)
        ema = self.ema
        if ema is not None:
            ema = optax.incremental_update(params, ema, 1 - ema_decay)
        return self.replace(params=params, opt_state=opt_state, ema=ema)  # type: ignore[attr-defined]

    @property
    def averaged(self) -> PyTree:
        """The parameters to evaluate and sample with: the moving average where there is one."""
        return self.params if self.ema is None else self.ema


class TrainState(flax.struct.PyTreeNode):
    """Everything a checkpoint holds. `step` counts completed steps, () int32.

    Fields are no closer typed than a tree of anything: jax and Orbax map states to states of shapes or options.
    """

    step: PyTree
    nets: Mapping[str, NetState]
    extra: PyTree = flax.struct.field(default_factory=dict)  # name -> only what a method itself carries on

    @classmethod
    def create(cls, **nets: NetState) -> "TrainState":
        """A state at step 0."""
        return cls(step=jnp.zeros((), jnp.int32), nets=nets)


def parameter_counts(state: TrainState) -> dict[str, int]:
    """Number of trained values of each network."""
    return {name: sum(leaf.size for leaf in jax.tree.leaves(net.params)) for name, net in state.nets.items()}
