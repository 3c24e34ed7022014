"""The reference's checkpoints of all six models in and out, and torchvision's DenseNet as a beginning."""

import functools
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from configs import emotion_gcn as configs
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.inference.variables import variables
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.systems.emotion_gcn import torch as interop
from fer_jax.systems.emotion_gcn.networks import UNUSED_TENSORS
from tests.parity.emotion_recipe import AFFECTNET, EmotionFixture
from tests.typed import build, typed

KINDS = {"gcn": "emotion_gcn", "single": "single_task", "multi": "multi_task"}


def config_of(backbone="densenet", kind="emotion_gcn", **model):
    config = configs.get_config("affectnet")
    config.model.update(backbone=backbone, kind=kind, **model)
    config.data.image_size = 32
    return config


@functools.cache
def small(backbone="densenet", kind="emotion_gcn"):
    """(config, variables) of a small network, each value another one."""
    config = config_of(backbone, kind, width=4, hidden=8, depths=(1, 2) if backbone == "densenet" else (1, 1, 1))
    config.graph.width = 12
    rng = np.random.default_rng(0)
    tree = jax.tree.map(lambda leaf: rng.uniform(size=leaf.shape).astype(leaf.dtype), templates_of(config))
    return config, tree


def templates_of(config, classes=AFFECTNET):
    system = build(config, DataSpec(32, config.data.channels, 1, {"expression": classes}))
    return variables(jax.eval_shape(system.init, jax.random.key(0)))


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def without_nodes(tree):
    """The word vectors are in no file."""
    return {**tree, "graph": {"adjacency": tree["graph"]["adjacency"]}} if "graph" in tree else tree


MODELS = [(b, k) for b in ("densenet", "bregnext") for k in KINDS]


@pytest.mark.parametrize(("backbone", "kind"), MODELS)
def test_tensors_of_the_reference_come_back(parity_fixture, tmp_path, backbone, kind):
    """Every tensor of each of the six models, at full size, by the reference's own names."""
    size = 112 if backbone == "densenet" else 32
    fixture = EmotionFixture(parity_fixture("emotion_gcn", f"{backbone}_{kind}_{size}").path)
    tensors = fixture.tensors()
    save_state_dict(tmp_path / "best", tensors, under="model_state_dict")
    config = config_of(backbone, KINDS[kind])
    found = interop.read(tmp_path, typed(config), templates_of(config))
    (path,) = interop.write(tmp_path / "out", found)
    written = load_state_dict(path)["model_state_dict"]
    assert set(written) == set(tensors)
    for name, value in written.items():
        np.testing.assert_array_equal(value, 0 if name in UNUSED_TENSORS else tensors[name], err_msg=name)


@pytest.mark.parametrize("backbone", ["densenet", "bregnext"])
@pytest.mark.parametrize("kind", KINDS.values())
def test_round_trip(tmp_path, backbone, kind):
    config, tree = small(backbone, kind)
    (path,) = interop.write(tmp_path / "a", tree)
    found = interop.read(path.parent, typed(config), tree)
    assert_same(found["net"], without_nodes(tree["net"]))
    (again,) = interop.write(tmp_path / "b", found)
    assert again.read_bytes() == path.read_bytes()


def test_a_bare_state_dict_will_do(tmp_path):
    config, tree = small()
    (path,) = interop.write(tmp_path / "a", tree)
    (tmp_path / "b").mkdir()
    save_state_dict(tmp_path / "b" / "w.pth", load_state_dict(path)["model_state_dict"])
    assert_same(interop.read(tmp_path / "b", typed(config), tree), interop.read(path.parent, typed(config), tree))


def test_word_vectors_that_are_lacking_are_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(interop, "logging", SimpleNamespace(warning=said.append))
    for kind in ("emotion_gcn", "multi_task"):
        config, tree = small(kind=kind)
        interop.write(tmp_path / kind, tree)
        interop.read(tmp_path / kind, typed(config), tree)
    (text,) = said
    assert text.startswith("config.graph.glove: not set")


def test_one_file_is_needed(tmp_path):
    config, tree = small()
    for name in (".hidden", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="needed is one file .* the folder has none"):
        interop.read(tmp_path, typed(config), tree)
    for name in ("a.pt", "b"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="the folder has a.pt, b$"):
        interop.read(tmp_path, typed(config), tree)
    (tmp_path / "b").unlink()
    with pytest.raises(UsageError, match="a.pt"):
        interop.read(tmp_path, typed(config), tree)
    save_state_dict(tmp_path / "a.pt", {"model_state_dict": np.zeros(1)})
    with pytest.raises(UsageError, match="no state dict"):
        interop.read(tmp_path, typed(config), tree)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.kind": "multi_task"}, r"give --config.model.kind=emotion_gcn \(it is multi_task\)"),
        ({"model.backbone": "bregnext", "model.depths": (1, 1)}, "--config.model.backbone=densenet"),
        ({"model.depths": None}, r"--config.model.depths=\(1,2\) \(it is \(6, 12, 24, 16\)\)"),
        ({"model.width": 8}, r"--config.model.width=4 \(it is 8\)"),
        ({"model.hidden": 16}, "--config.model.hidden=8"),
        ({"data.channels": 1}, "--config.data.channels=3"),
        ({"graph.width": 300}, r"--config.graph.glove with vectors of 12 numbers \(they have 300\)"),
    ],
)
def test_other_configurations(tmp_path, changes, says):
    config, tree = small()
    interop.write(tmp_path, tree)
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(changes)
    with pytest.raises(UsageError, match=says):
        interop.read(tmp_path, typed(config), templates_of(config))


@pytest.mark.parametrize("kind", KINDS.values())
def test_other_classes(tmp_path, kind):
    config, tree = small(kind=kind)
    interop.write(tmp_path, tree)
    config = config.copy_and_resolve_references()
    config.loss.class_counts = None
    with pytest.raises(UsageError, match="it knows 7 classes, the data set of this config has 3"):
        interop.read(tmp_path, typed(config), templates_of(config, AFFECTNET[:3]))


# ---- torchvision's weights ----


def torchvision(tree, *, old=False):
    """The state dict of a DenseNet with a network's backbone."""
    single = {name: {"features": tree["net"][name]["features"]} for name in ("params", "batch_stats")}
    tensors = interop.export_tree(single, interop.torch_names(*interop._TORCHVISION))
    tensors |= {"classifier.weight": np.zeros((1000, 20), np.float32), "classifier.bias": np.zeros(1000, np.float32)}
    if old:
        tensors = {
            re.sub(r"(layer\d+\.(norm|conv))([12])\.", r"\1.\3.", name): tensor for name, tensor in tensors.items()
        }
        assert "features.denseblock1.denselayer1.norm.1.running_var" in tensors
    return tensors


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", KINDS.values())
def test_the_backbone_alone_is_taken(tmp_path, kind, old):
    config, tree = small(kind=kind)
    config = config.copy_and_resolve_references()
    config.init_from = str(tmp_path / "densenet121.pth")
    save_state_dict(config.init_from, torchvision(tree, old=old))
    assert interop.initial(typed(config), None) == {}
    found = interop.initial(typed(config), templates_of(config))
    assert_same(found, {"net": {n: {"features": tree["net"][n]["features"]} for n in ("params", "batch_stats")}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.backbone": "bregnext"}, "is for a DenseNet, and --config.model.backbone is bregnext"),
        ({"model.depths": None}, r"another network; give --config.model.depths=\(1,2\)"),
        ({"model.width": 32}, "another network; give --config.model.width=4"),
        ({"data.channels": 1}, "another network; give --config.data.channels=3"),
    ],
)
def test_networks_that_the_weights_do_not_fit(tmp_path, changes, says):
    config, tree = small()
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict({**changes, "init_from": str(tmp_path / "w.pth")})
    save_state_dict(config.init_from, torchvision(tree))
    with pytest.raises(UsageError, match=says) as raised:
        interop.initial(typed(config), None)
    assert str(tmp_path / "w.pth") in str(raised.value)


def test_files_that_are_no_densenet(tmp_path):
    config = small()[0].copy_and_resolve_references()
    config.init_from = str(tmp_path / "w.pth")
    with pytest.raises(UsageError, match="w.pth: cannot be read"):
        interop.initial(typed(config), None)
    save_state_dict(config.init_from, {"conv1.weight": np.zeros((64, 3, 7, 7))})
    with pytest.raises(UsageError, match="no DenseNet of torchvision's"):
        interop.initial(typed(config), None)
