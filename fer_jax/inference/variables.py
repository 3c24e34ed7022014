"""Weights of networks as Flax's variables, {"params": tree, collection: tree}: out of a state, and into one."""

from collections.abc import Mapping
from typing import Any

import jax

from fer_jax.core.state import NetState, TrainState


def variables(state: TrainState) -> dict[str, dict[str, Any]]:
    """Network -> its parameters (the moving average where there is one) and every collection of its statistics."""
    return {name: {"params": net.averaged, **(net.stats or {})} for name, net in state.nets.items()}


def insert(state: TrainState, found: Mapping[str, Mapping[str, Any]], sharding: jax.sharding.Sharding) -> TrainState:
    """A state with the variables found in place of its own; what they lack stays. The average becomes the parameters.

    Optimisers' states stay: the first ones do not depend on the parameters' values.
    """

    def put(old: Any, new: Any) -> Any:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return {**old, **{key: put(old.get(key), value) for key, value in new.items()}}
        return jax.device_put(new, sharding, may_alias=False)  # buffers of a state are given up one by one

    def replaced(net: NetState, tree: Mapping[str, Any]) -> NetState:
        stats = {name: value for name, value in tree.items() if name != "params"}
        return net.replace(  # type: ignore[attr-defined]
            params=put(net.params, tree["params"]),
            ema=None if net.ema is None else put(net.ema, tree["params"]),
            stats=put(net.stats, stats) if stats else net.stats,
        )

    nets = {name: replaced(net, found[name]) if name in found else net for name, net in state.nets.items()}
    return state.replace(nets=nets)  # type: ignore[attr-defined]
