"""The smallest run that goes through everything: a shrunken copy of a config's `:tiny`."""

import importlib
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs"


def config_names():
    """Every config of the folder: new systems join the contract by being there."""
    return sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem not in ("__init__", "common"))


def micro(name, data_dir, **run):
    """`:tiny` of a config on a handful of pictures of 16 pixels, eight examples a step."""
    config = importlib.import_module(f"configs.{name}").get_config("tiny")
    config.data.data_dir = str(data_dir)
    config.data.update(batch_size=8, eval_batch_size=8, image_size=16)
    for stream in config.data.streams.values():
        stream.options = {"image_size": 16, "identities": 6, "pictures": 7}
        for view in (stream.train_view, stream.eval_view):
            view.load_size = view.load_size and 18
        stream.identities = min(stream.identities, 3)
    if "warm_up" in config:
        config.warm_up = 0
    shrink = {"width": 4, "noise": 2, "blocks": 1, "hidden": 8}
    config.model.update({key: value for key, value in shrink.items() if key in config.model})
    config.run.update(epochs=0, steps=4, log_every=2, eval_every=2, sample_every=4, checkpoint_every=2, sample_rows=2)
    config.run.update(run)
    return config.lock()


def get_config(name):
    """Makes this file a config: --config=tests/micro.py:tdgan."""
    return micro(name, "")
