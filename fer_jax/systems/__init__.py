"""One file a system: its networks, its losses, and who is updated by what, how often."""

import importlib
import pkgutil

from fer_jax.errors import UsageError


def available() -> list[str]:
    """Names of the systems: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def build(config, data):
    """The System that `config.system` names, for data as `fer_jax.data.DataSpec` describes it.

    Raises:
      UsageError: there is no such system.
    """
    if config.system not in available():
        raise UsageError(f"config.system: unknown system {config.system!r}; have {', '.join(available())}")
    return importlib.import_module(f"fer_jax.systems.{config.system}").build(config, data)
