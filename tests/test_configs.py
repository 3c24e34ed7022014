"""Every variant of every config asks its data sets for what they take."""

import importlib
import inspect

import pytest

from fer_jax.data import registry
from fer_jax.data.random_views import view
from tests.micro import config_names
from tests.typed import typed

VARIANTS = [
    (name, variant) for name in config_names() for variant in importlib.import_module(f"configs.{name}")._VARIANTS
]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_data_of_a_variant(name, variant, tmp_path):
    config = typed(importlib.import_module(f"configs.{name}").get_config(variant))
    assert config.data.evaluate in config.data.streams and config.select.metric
    for stream in config.data.streams.values():
        make = registry.module_of(stream.source).builder
        inspect.signature(make).bind(data_dir=str(tmp_path), **stream.options)
        if stream.source == "rendered_faces":  # always there
            image = make(data_dir=str(tmp_path), **stream.options).info.features["image"]
            assert image.shape == (config.data.image_size, config.data.image_size, 3)
        for seen in (stream.train_view, stream.eval_view):
            view(seen, image_size=config.data.image_size, channels=config.data.channels)
