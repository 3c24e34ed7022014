"""From a config to a system. Kept apart from the package itself, which imports no jax: config errors are quick."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fer_jax.core.config import SystemConfig
from fer_jax.core.optimisers import NO_OPTIMISER
from fer_jax.core.protocols import System
from fer_jax.core.spec import DataSpec
from fer_jax.systems import part


def build(config: SystemConfig, spec: DataSpec, *, training: bool = True) -> System:
    """The system of a config, for data of a spec.

    Args:
      config: of `parse_config`.
      spec: of the data.
      training: False leaves the optimisers out, whose states are as large as the networks.

    Raises:
      UsageError: a field has a value that the system refuses.
    """
    module = part(config.system, "system")
    assert module is not None
    system = module.build(config, spec)
    return system if training else dataclasses.replace(system, tx=_without_optimisers(system.tx))


def _without_optimisers(tx: Any) -> Any:
    return dict.fromkeys(tx, NO_OPTIMISER) if isinstance(tx, Mapping) else NO_OPTIMISER
