"""Configs: what all systems share as dataclasses (`fields`), and the one parser from and to ml_collections (`parser`).

A system's own config is `fer_jax.systems.<name>.config.Config`, a `SystemConfig` with the fields that are its own and
published values as defaults.
"""

from fer_jax.core.config.fields import (
    DataConfig,
    EditMeasuresConfig,
    GeneratedConfig,
    OptimiserConfig,
    RunConfig,
    SampleMeasuresConfig,
    SelectConfig,
    StreamConfig,
    SystemConfig,
    ViewConfig,
)
from fer_jax.core.config.parser import Fields, as_plain, changed, parse, to_config_dict

__all__ = [
    "DataConfig",
    "EditMeasuresConfig",
    "Fields",
    "GeneratedConfig",
    "OptimiserConfig",
    "RunConfig",
    "SampleMeasuresConfig",
    "SelectConfig",
    "StreamConfig",
    "SystemConfig",
    "ViewConfig",
    "as_plain",
    "changed",
    "parse",
    "to_config_dict",
]
