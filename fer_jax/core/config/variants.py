"""What the files of configs/ are written with: a system's published config, changed into a variant."""

from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from fer_jax.core.config.fields import StreamConfig, SystemConfig
from fer_jax.core.config.parser import to_config_dict

Variants = Mapping[str, Callable[[ConfigDict], None]]


def choose(published: SystemConfig, variant: str, variants: Variants) -> ConfigDict:
    """The published config of a system, changed into a variant.

    Raises:
      ValueError: there is no such variant.
    """
    if variant not in variants:
        raise ValueError(f"configs/{published.system}.py has no variant {variant!r}; have {', '.join(variants)}")
    config = to_config_dict(published)
    variants[variant](config)
    return config


def stream(source: str, labels: tuple[str, ...], **fields: Any) -> ConfigDict:
    """One stream of pictures: its data set, its labels, and other fields of `StreamConfig`."""
    return to_config_dict(StreamConfig(source=source, labels=labels, **fields))
