"""One folder a system: its networks, losses, updates, config, and the names of its weights in PyTorch."""

import dataclasses
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from fer_jax.core.config import Fields, SystemConfig, parse
from fer_jax.core.errors import UsageError
from fer_jax.core.optimisers import NO_OPTIMISER
from fer_jax.core.protocols import System
from fer_jax.core.spec import DataSpec


def available() -> list[str]:
    """Names of the systems: the folders below this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def part(system: str, name: str) -> ModuleType | None:
    """The module `name` of a system's folder, e.g. "torch"; None where it has none.

    Raises:
      UsageError: there is no such system.
    """
    if system not in available():
        raise UsageError(f"config.system: unknown system {system!r}; have {', '.join(available())}")
    path = f"{__name__}.{system}.{name}"
    return importlib.import_module(path) if importlib.util.find_spec(path) else None


def parse_config(fields: Fields) -> SystemConfig:
    """The typed config of the system that `fields["system"]` names.

    Raises:
      UsageError: as `fer_jax.core.config.parse` does, or there is no such system.
    """
    module = part(str(fields.get("system")), "config")
    assert module is not None  # every system has one
    return parse(module.Config, fields)


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
