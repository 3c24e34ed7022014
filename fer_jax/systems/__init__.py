"""One folder a system: its networks, losses, updates, config, and the names of its weights in PyTorch."""

import importlib
import pkgutil

from fer_jax.core.errors import UsageError


def available() -> list[str]:
    """Names of the systems: the folders below this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def build(config, data):
    """The System that `config.system` names, for data as `fer_jax.data.DataSpec` describes it.

    Raises:
      UsageError: there is no such system.
    """
    if config.system not in available():
        raise UsageError(f"config.system: unknown system {config.system!r}; have {', '.join(available())}")
    return importlib.import_module(f"fer_jax.systems.{config.system}.system").build(config, data)
