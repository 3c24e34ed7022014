"""One folder a system: its networks, losses, updates, config, and the names of its weights in PyTorch."""

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from fer_jax.core.config import Fields, SystemConfig, parse
from fer_jax.core.errors import UsageError


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
