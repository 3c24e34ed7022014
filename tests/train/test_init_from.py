"""Runs that begin with another network's weights: what is taken, what is said, and when the file is read."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from fer_jax.cli.training import train
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.inference.variables import insert
from fer_jax.interop.torch_file import save_state_dict
from fer_jax.systems.emotion_gcn import torch as interop
from fer_jax.train import initial, loop
from fer_jax.train.checkpoint import Checkpoints
from fer_jax.train.mesh import Trainer
from tests.micro import micro
from tests.typed import build, typed

CLASSES = {"expression": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")}


@pytest.fixture
def said(monkeypatch):
    texts = []
    log = SimpleNamespace(info=lambda text, *values: texts.append(text % values))
    monkeypatch.setattr(initial, "logging", log)
    return texts


@pytest.fixture(scope="module")
def runner():
    return Trainer(build(micro("emotion_gcn", ""), DataSpec(16, 3, 5, CLASSES)), 0)


@pytest.fixture
def config(runner, tmp_path):
    """With the file of another backbone, whose values are all 7."""
    config = micro("emotion_gcn", "").unlock()
    config.init_from = str(tmp_path / "densenet.pth")
    net = runner.abstract_state().nets["net"]
    tree = {"params": {"features": net.params["features"]}, "batch_stats": net.stats["batch_stats"]}
    sevens = jax.tree.map(lambda leaf: np.full(leaf.shape, 7, leaf.dtype), tree)
    tensors = interop.export_tree(sevens, interop.torch_names("densenet", "single_task"))
    save_state_dict(config.init_from, {**tensors, "classifier.weight": np.zeros((5, 3), np.float32)})
    return config


def test_the_heads_keep_their_first_values(config, runner, tmp_path, said):
    random = jax.device_get(runner.init())
    checkpoints = Checkpoints(tmp_path / "run")
    state, step = loop._start(typed(config), runner, checkpoints)
    net, first = state.nets["net"], random.nets["net"]
    assert step == 0 and said == [f"training starts from the weights of {config.init_from}"]
    taken = {"params": net.params["features"], "statistics": net.stats["batch_stats"]["features"]}
    assert all(np.all(np.asarray(leaf) == 7) for leaf in jax.tree.leaves(taken))
    kept = [(net.params[name], first.params[name]) for name in ("gc1", "gc2")] + [(net.stats["graph"],) * 2]
    for one, other in kept:
        jax.tree.map(np.testing.assert_array_equal, one, other)
    for leaf, like in zip(jax.tree.leaves(state), jax.tree.leaves(runner.abstract_state()), strict=True):
        assert leaf.sharding == like.sharding and leaf.dtype == like.dtype

    # A run that goes on does not read the file.
    checkpoints.save(state, {}, 3)
    checkpoints.wait()
    config.init_from = "/no/such/file"
    again, step = loop._start(typed(config), runner, checkpoints)
    checkpoints.close()
    assert step == 3
    jax.tree.map(np.testing.assert_array_equal, state.nets["net"].params, again.nets["net"].params)


def test_the_average_begins_with_the_weights_too(runner):
    state = runner.init()
    net = state.nets["net"].replace(ema=jax.tree.map(np.zeros_like, state.nets["net"].params))
    sevens = {"gc1": {"weight": np.full(net.params["gc1"]["weight"].shape, 7, np.float32)}}
    state = insert(state.replace(nets={"net": net}), {"net": {"params": sevens}}, runner.replicated)
    filled = state.nets["net"]
    for params in (filled.params, filled.ema):
        np.testing.assert_array_equal(params["gc1"]["weight"], 7)
    assert not np.any(filled.ema["gc2"]["weight"]) and filled.stats is net.stats


def test_an_unset_file_is_reported(config, runner, said):
    config.init_from = None
    plain = initial.start_from(typed(config), runner)
    assert said == ["config.init_from: not set; training starts from random weights"]
    jax.tree.map(np.testing.assert_array_equal, plain.nets["net"].params, runner.init().nets["net"].params)
    initial.start_from(typed(micro("tdgan", "")), runner)  # a system without such a field
    assert len(said) == 1


def test_a_missing_file_is_reported_before_data_are_prepared(config, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "open_data", lambda config: pytest.fail("data before weights"))
    config.init_from = str(tmp_path / "none.pth")
    with pytest.raises(UsageError, match="none.pth: cannot be read"):
        train(typed(config), tmp_path / "run")
