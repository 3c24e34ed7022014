"""Weights of networks as Flax's variables, {"params": tree, collection: tree}: out of a state, and into one.

The files themselves are known by the modules fer_jax/systems/<system>/torch.py, which have

  * ``read(folder, config, templates)``: network -> variables, from the reference's files;
  * ``write(folder, variables)``: the inverse, which returns the files' paths;
  * ``initial(config, templates)``, where the config has `init_from`: network -> variables that training starts from.
    Some may be missing. Without templates the file is only checked, as far as the config tells.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import jax
from absl import logging

from fer_jax.core.errors import UsageError

if TYPE_CHECKING:
    from fer_jax.core.state import NetState, TrainState


def variables(state: "TrainState") -> dict[str, dict[str, Any]]:
    """Network -> its parameters (the moving average where there is one) and every collection of its statistics."""
    return {name: {"params": net.averaged, **(net.stats or {})} for name, net in state.nets.items()}


def insert(
    state: "TrainState", found: Mapping[str, Mapping[str, Any]], sharding: jax.sharding.Sharding
) -> "TrainState":
    """A state with the variables found in place of its own; what they lack stays. The average becomes the parameters.

    Optimisers' states stay: the first ones do not depend on the parameters' values.
    """

    def put(old: Any, new: Any) -> Any:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return {**old, **{key: put(old.get(key), value) for key, value in new.items()}}
        return jax.device_put(new, sharding, may_alias=False)  # buffers of a state are given up one by one

    def replaced(net: "NetState", tree: Mapping[str, Any]) -> "NetState":
        stats = {name: value for name, value in tree.items() if name != "params"}
        return net.replace(  # type: ignore[attr-defined]
            params=put(net.params, tree["params"]),
            ema=None if net.ema is None else put(net.ema, tree["params"]),
            stats=put(net.stats, stats) if stats else net.stats,
        )

    nets = {name: replaced(net, found[name]) if name in found else net for name, net in state.nets.items()}
    return state.replace(nets=nets)  # type: ignore[attr-defined]


def module_of(system: str) -> ModuleType:
    """The module that knows a reference's files.

    Raises:
      UsageError: the system has none.
    """
    name = f"fer_jax.systems.{system}.torch"
    module = importlib.import_module(name) if importlib.util.find_spec(name) else None
    if not (hasattr(module, "read") and hasattr(module, "write")):
        raise UsageError(f"config.system: weights of {system!r} cannot be imported or exported: there is no {name}")
    return module  # type: ignore[return-value]


def check_initial(config: Any) -> None:
    """Looks into the file of `config.init_from`, if there is one, before anything that takes long.

    Raises:
      UsageError: it is missing, damaged, refused or of another network than the config's.
    """
    if config.get("init_from"):
        module_of(config.system).initial(config, None)


def start_from(config: Any, state: "TrainState", sharding: jax.sharding.Sharding) -> "TrainState":
    """A new run's state, with the weights of `config.init_from` where the config has the field and it is set.

    Raises:
      UsageError: as `check_initial` does.
    """
    if "init_from" not in config:
        return state
    if not config.init_from:
        logging.info("config.init_from: not set; training starts from random weights")
        return state
    found = module_of(config.system).initial(config, variables(state))
    logging.info("training starts from the weights of %s", config.init_from)
    return insert(state, found, sharding)
