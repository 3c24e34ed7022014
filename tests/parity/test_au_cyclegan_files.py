"""The reference's weights in and out: its names, its files, and what to change in a config that does not fit."""

import jax
import numpy as np
import pytest

from configs.au_cyclegan import get_config
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.inference.variables import variables
from fer_jax.interop.torch_file import load_state_dict
from fer_jax.systems.au_cyclegan import torch as interop
from tests.parity.recipe import Fixture
from tests.typed import build, typed

WIDTH = {"model.width": 4, "model.hidden": 8}


def configured(experiment, **fields):
    config = get_config(experiment)
    config.update_from_flattened_dict(WIDTH | fields)
    return config


def templates(config):
    system = build(config, DataSpec(config.data.image_size, config.data.channels, 0, {}))
    return variables(jax.eval_shape(system.init, jax.random.key(0)))


def drawn(config, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), templates(config))


@pytest.mark.parametrize("experiment", ["e5", "e6", "e7", "e8", "e9"])
def test_names_are_the_references_and_come_back(parity_fixture, tmp_path, experiment):
    manifest = Fixture(parity_fixture("au_cyclegan", experiment).path).manifest
    config = configured(experiment)
    trees = drawn(config)
    (path,) = interop.write(tmp_path, trees)
    assert path.name == "weights.pth" and set(written := load_state_dict(path)) == {"G", "D"}
    for key, tensors in written.items():
        names = {name for name, _ in manifest["tensors"][key] if not name.endswith("num_batches_tracked")}
        assert set(tensors) == names
    jax.tree.map(np.testing.assert_array_equal, interop.read(tmp_path, typed(config), templates(config)), trees)


def reference_file(monkeypatch, tmp_path, **content):
    """weights.pth with that content, as the reader of such files gives it."""
    (tmp_path / interop.TOGETHER).write_bytes(b"")
    monkeypatch.setattr(interop, "load_state_dict", lambda path: content)
    return tmp_path


def exported(config, tmp_path):
    (path,) = interop.write(tmp_path / "own", drawn(config))
    return load_state_dict(path)


def test_the_references_dictionary(monkeypatch, tmp_path):
    """Optimisers are left out; without D the critic is not read."""
    config = configured("e8")
    parts = exported(config, tmp_path)
    counter = {"enc_layers.0.layers.1.num_batches_tracked": np.zeros((), np.int64)}
    whole = {"G": parts["G"] | counter, "D": parts["D"], "optim_G": {"state": {}}, "optim_D": {"state": {}}}
    found = interop.read(reference_file(monkeypatch, tmp_path, **whole), typed(config), templates(config))
    jax.tree.map(np.testing.assert_array_equal, found, drawn(config))
    alone = reference_file(monkeypatch, tmp_path, G=parts["G"])
    assert set(interop.read(alone, typed(config), templates(config))) == {"gen"}


@pytest.mark.parametrize(
    ("made_as", "fields", "message"),
    [
        ("e8", {"model.width": 8}, r"give --config\.model\.width=4 \(it is 8\)"),
        ("e8", {"model.hidden": 16}, r"--config\.model\.hidden=8 \(it is 16\)"),
        ("e8", {"model.layers": 4}, r"--config\.model\.layers=5 \(it is 4\)"),
        ("e8", {"model.inject_layers": 0}, r"--config\.model\.inject_layers=1 \(it is 0\)"),
        ("e7", {}, r"--config\.model\.inject_layers=0 \(it is 1\)"),
        ("e5", {}, r"--config\.model\.family=early \(it is general\)"),
        ("e6", {"model.family": "early"}, r"--config\.model\.kernels=\(4,4,4,4\) \(it is \(6, 6, 6, 6\)\)"),
        ("e8", {"data.channels": 1}, r"--config\.data\.channels=3 \(it is 1\)"),
    ],
)
def test_a_config_that_does_not_fit_is_told_what_to_change(monkeypatch, tmp_path, made_as, fields, message):
    folder = reference_file(monkeypatch, tmp_path, **exported(configured(made_as), tmp_path))
    config = configured("e8", **fields)
    with pytest.raises(UsageError, match=message):
        interop.read(folder, typed(config), templates(config))


def test_what_is_no_file_of_the_references(monkeypatch, tmp_path):
    config = configured("e8")
    with pytest.raises(UsageError, match="needed is weights.pth with a state dict G in it, or G.pth"):
        interop.read(tmp_path, typed(config), {})
    with pytest.raises(UsageError, match="is no state dict"):
        interop.read(reference_file(monkeypatch, tmp_path, G=[1]), typed(config), {})
    with pytest.raises(UsageError, match="no generator of e5 to e9"):
        interop.read(reference_file(monkeypatch, tmp_path, G={"x": np.zeros(2)}), typed(config), {})
    with pytest.raises(UsageError, match="'keras' have no files"):
        interop.write(tmp_path, drawn(configured("e1")))
    with pytest.raises(UsageError, match="no self-attention"):
        interop.write(tmp_path, drawn(configured("e8", **{"model.attention": 2})))
