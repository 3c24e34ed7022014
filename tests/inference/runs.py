"""Fixtures of several folders: tiny workdirs, one a system, of rendered faces and random weights; nothing is trained.

The library is imported within functions: conftest files are read before its signatures are checked at run time.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.micro import micro

FIXTURES = (
    "compiled_once", "loaded", "tiny", "tiny_classifier", "tiny_config", "tiny_editor", "tiny_emotion",
    "tiny_generator", "tiny_space",
)  # fmt: skip
__all__ = [*FIXTURES, "Tiny", "changed", "lively", "untrained"]


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A workdir, and what lies in it."""

    config: Any
    folder: Path
    state: Any


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs are kept: the tests compile the same few again and again, for seconds each."""
    import jax

    changes = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("xla")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """A new config (ConfigDict) each time it is called."""
    from configs import tdgan

    data_dir = str(tmp_path_factory.mktemp("tfds"))

    def make(**data):
        config = tdgan.get_config("tiny")
        config.model.update(width=4, noise=4, blocks=1, hidden=16)
        config.data.update(image_size=32, data_dir=data_dir, batch_size=8, eval_batch_size=16, **data)
        config.run.update(steps=1, eval_every=1, sample_every=1, log_every=1)
        for stream in config.data.streams.values():
            stream.options.update(image_size=32, identities=6, pictures=7)
        config.data.streams.face.identities = 3
        config.data.streams.expression.train_view.load_size = 36
        return config.lock()

    return make


def changed(config, **fields):
    """A copy of a ConfigDict, unlocked, with other values of some fields: data__batch_size=1."""
    own = config.copy_and_resolve_references().unlock()
    own.update_from_flattened_dict({name.replace("__", "."): value for name, value in fields.items()})
    return own


def lively(tree, seed=0):
    """Random parameters, larger than the first ones of training, which give one grey everywhere; and statistics.

    And they are there at once, while compiling the initialisation takes longer than all tests here.
    """
    import jax

    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 400
        return rng.normal(0, np.sqrt(4 / fan_in), leaf.shape).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, tree)


def untrained(config, folder, seed=0):
    """Makes a workdir as a run of one step leaves it; takes a ConfigDict or a typed config."""
    import jax

    from fer_jax.core.config import as_plain
    from fer_jax.train import workdir
    from fer_jax.train.checkpoint import Checkpoints
    from fer_jax.train.mesh import Trainer
    from tests.typed import build, open_data, typed

    config = typed(config)
    spec = open_data(config).spec
    trainer = Trainer(build(config, spec), config.seed)
    state = trainer.abstract_state()
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state)
    trees = ("params", "stats", "ema")
    nets = {
        name: net.replace(**{tree: lively(getattr(net, tree), seed) for tree in trees})
        for name, net in zeros.nets.items()
    }
    if graph := getattr(trainer.system, "graph", None):
        nets["net"].stats["graph"] = graph._asdict()
    state = jax.device_put(zeros.replace(step=np.int32(1), nets=nets), trainer.replicated)
    workdir.claim(folder, config)
    workdir.write_spec(folder, spec)
    checkpoints = Checkpoints(folder)
    checkpoints.save(state, as_plain(config), 1)
    checkpoints.close()
    return Tiny(config, folder, state)


@pytest.fixture(scope="session")
def tiny(tiny_config, tmp_path_factory):
    """Of TDGAN."""
    return untrained(tiny_config(), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def tiny_emotion(data_dir, tmp_path_factory):
    """Of Emotion-GCN."""
    return untrained(micro("emotion_gcn", data_dir), tmp_path_factory.mktemp("emotion"))


@pytest.fixture(scope="session")
def tiny_classifier(data_dir, tmp_path_factory):
    """seed -> a workdir of a classifier that starts from other weights."""

    @functools.cache
    def make(seed):
        config = changed(micro("classifier", data_dir), seed=seed)
        return untrained(config, tmp_path_factory.mktemp("classifier"), seed)

    return make


@pytest.fixture(scope="session")
def tiny_editor(data_dir, tmp_path_factory):
    """Of the action-unit editor."""
    return untrained(micro("au_cyclegan", data_dir), tmp_path_factory.mktemp("editor"))


@pytest.fixture(scope="session")
def tiny_generator(data_dir, tmp_path_factory):
    """Of DCGAN, of all expressions together."""
    return untrained(micro("dcgan", data_dir), tmp_path_factory.mktemp("generator"))


@pytest.fixture(scope="session")
def tiny_space(data_dir, tmp_path_factory):
    """(kind, dimensions) -> a workdir of GANmut with a space of its own."""

    @functools.cache
    def make(kind, dimensions):
        config = changed(micro("ganmut", data_dir), model__space=kind, model__dimensions=dimensions)
        return untrained(config, tmp_path_factory.mktemp("space"))

    return make


@pytest.fixture(scope="session")
def loaded(tiny):
    """The TDGAN run, opened."""
    from fer_jax.inference.loading import open_run

    return open_run(tiny.folder, only=("tdgan",))
