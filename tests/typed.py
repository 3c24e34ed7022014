"""Configs as a user has them (ConfigDict), made typed where the library takes them."""

from ml_collections import ConfigDict

from fer_jax import systems
from fer_jax.data import opening
from fer_jax.systems import building


def typed(config):
    """The typed config of a ConfigDict; a typed one stays."""
    return systems.parse_config(config) if isinstance(config, ConfigDict) else config


def build(config, spec, **options):
    """The system of a config."""
    return building.build(typed(config), spec, **options)


def open_data(config, **options):
    """A config's data."""
    return opening.open_data(typed(config), **options)
