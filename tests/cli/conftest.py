"""Tiny workdirs for all tests of tools, one a system: rendered faces, random weights, nothing trained."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@dataclasses.dataclass(frozen=True)
class Tiny:
    config: Any
    folder: Path
    state: Any


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs are kept: the tools compile the same few again and again, for seconds each."""
    import jax

    changed = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("xla")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in changed}
    for name, value in changed.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """A new config each time it is called."""
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
    """Makes a workdir as a run of one step leaves it."""
    import jax

    from fer_jax import systems
    from fer_jax.data import open_data
    from fer_jax.train import workdir
    from fer_jax.train.checkpoint import Checkpoints
    from fer_jax.train.mesh import Runner

    spec = open_data(config).spec
    runner = Runner(systems.build(config, spec), config.seed)
    state = runner.abstract_state()
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state)
    trees = ("params", "stats", "ema")
    nets = {
        name: net.replace(**{tree: lively(getattr(net, tree), seed) for tree in trees})
        for name, net in zeros.nets.items()
    }
    if graph := getattr(runner.system, "graph", None):
        nets["net"].stats["graph"] = graph._asdict()
    state = jax.device_put(zeros.replace(step=np.int32(1), nets=nets), runner.replicated)
    workdir.claim(folder, config)
    workdir.write_spec(folder, spec)
    checkpoints = Checkpoints(folder)
    checkpoints.save(state, workdir.as_dict(config), 1)
    checkpoints.close()
    return Tiny(config, folder, state)


@pytest.fixture(scope="session")
def tiny(tiny_config, tmp_path_factory):
    return untrained(tiny_config(), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def tiny_emotion(data_dir, tmp_path_factory):
    from tests.micro import micro

    return untrained(micro("emotion_gcn", data_dir), tmp_path_factory.mktemp("emotion"))


@pytest.fixture(scope="session")
def tiny_classifier(data_dir, tmp_path_factory):
    """seed -> a workdir of a classifier that starts from other weights."""
    import functools

    from tests.micro import micro

    @functools.cache
    def make(seed):
        config = micro("classifier", data_dir)
        with config.unlocked():
            config.seed = seed
        return untrained(config, tmp_path_factory.mktemp("classifier"), seed)

    return make


@pytest.fixture(scope="session")
def tiny_editor(data_dir, tmp_path_factory):
    from tests.micro import micro

    return untrained(micro("au_cyclegan", data_dir), tmp_path_factory.mktemp("editor"))


@pytest.fixture(scope="session")
def tiny_generator(data_dir, tmp_path_factory):
    from tests.micro import micro

    return untrained(micro("dcgan", data_dir), tmp_path_factory.mktemp("generator"))


@pytest.fixture(scope="session")
def tiny_space(data_dir, tmp_path_factory):
    """(kind, dimensions) -> a workdir of GANmut with a space of its own."""
    import functools

    from tests.micro import micro

    @functools.cache
    def make(kind, dimensions):
        config = micro("ganmut", data_dir)
        with config.unlocked():
            config.model.update(space=kind, dimensions=dimensions)
        return untrained(config, tmp_path_factory.mktemp("space"))

    return make


@pytest.fixture
def command(monkeypatch):
    """(tool, *flags, names=...): runs a tool as its command line does, in this process."""
    from absl import flags

    from fer_jax.cli import runtime

    monkeypatch.setattr(runtime, "start", lambda: None)

    def run(tool, *arguments, names=()):
        before = set(flags.FLAGS)
        tool.define_flags()
        own = set(flags.FLAGS) - before
        monkeypatch.setattr(sys, "argv", [tool.__name__, *arguments])  # where a config's own flags are looked for
        try:
            flags.FLAGS(sys.argv)
            own = set(flags.FLAGS) - before  # a config's overrides too; what libraries define in the run they keep
            tool.run(*[list(names)] * bool(names))
        finally:
            for name in own:
                delattr(flags.FLAGS, name)

    return run


@pytest.fixture(scope="session")
def trained(tiny):
    from fer_jax.cli import common

    return common.open_workdir(tiny.folder, step=None, only=("tdgan",))
