"""Files of the FER2013 classifiers' reference, of torchvision and of BYOL: written, read, refused."""

import jax
import numpy as np
import pytest

from configs import byol as byol_configs
from configs import classifier as configs
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.inference.loading import open_packed
from fer_jax.inference.variables import variables
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.systems.byol import torch as byol
from fer_jax.systems.classifier import torch as classifier
from fer_jax.train import initial
from fer_jax.train.mesh import Trainer
from tests.typed import build, typed

SPEC = DataSpec(32, 3, 5, {"expression": tuple("abcdefg")})


def small(module, **changes):
    config = module.get_config("fer2013")
    config.model.update(depths=(1, 1, 1, 1), width=4)
    if module is byol_configs:
        config.model.update(hidden=8, embedding=4)
    config.update_from_flattened_dict(changes)
    return config


def tree_of(config, value=None):
    """Variables with random values, or all the same one."""
    templates = variables(Trainer(build(config, SPEC), 0).abstract_state())
    rng = np.random.default_rng(0)
    draw = lambda leaf: np.full(leaf.shape, value, np.float32) if value else rng.normal(size=leaf.shape)  # noqa: E731
    return templates, jax.tree.map(lambda leaf: draw(leaf).astype(np.float32), templates)


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(("module", "files"), [(configs, classifier), (byol_configs, byol)])
def test_written_and_read_again(tmp_path, module, files):
    config = small(module)
    templates, tree = tree_of(config)
    (path,) = files.write(tmp_path / "out", tree)
    names = load_state_dict(path)["net"]
    first = "nn_model.conv1.weight" if files is classifier else "backbone_momentum.0.weight"
    assert names[first].shape == (4, 3, 7, 7)
    same(files.read(tmp_path / "out", typed(config), templates), tree)


def test_torchvisions_backbone_starts_a_classifier(tmp_path):
    config = small(configs, init_from=str(tmp_path / "resnet18.pth"))
    templates, tree = tree_of(config, 7.0)
    tensors = classifier.export_tree(dict(tree["net"]), classifier.torch_names("resnet18", ""))
    save_state_dict(config.init_from, tensors)
    assert classifier.initial(typed(config), None) == {}
    found = classifier.initial(typed(config), templates)["net"]
    assert set(found["params"]) == {"body"}  # the head of 1000 classes is of no use
    same(found["params"]["body"], tree["net"]["params"]["body"])
    save_state_dict(config.init_from, {"features.conv0.weight": np.zeros((4, 3, 7, 7), np.float32)})
    with pytest.raises(UsageError, match="is no resnet18 of torchvision's"):
        classifier.initial(typed(config), templates)


def test_what_has_no_form_there(tmp_path):
    config = configs.get_config("tiny")
    _, tree = tree_of(config)
    with pytest.raises(UsageError, match="the reference has no network like this one"):
        classifier.write(tmp_path, tree)
    with pytest.raises(UsageError, match="there are no such files for --config.model.backbone=compact"):
        classifier.read(tmp_path, typed(config), {})
    other = small(configs)
    templates, tree = tree_of(other)
    classifier.write(tmp_path, tree)
    other.model.backbone = "densenet201"
    with pytest.raises(UsageError, match="give --config.model.backbone=resnet18"):
        classifier.read(tmp_path, typed(other), templates)


def test_packed_weights_start_a_classifier(tmp_path):
    config = configs.get_config("compact").unlock()
    config.init_from = "fer2013"
    found = initial._found(typed(config), {})["net"]
    assert set(found["params"]) == {"body"}  # the head may be of other classes
    packaged = open_packed("fer2013").state.nets["net"]
    same(found["batch_stats"]["body"], packaged.stats["batch_stats"]["body"])
    config.init_from = str(tmp_path / "mine.npz")
    with pytest.raises(UsageError, match="cannot be read as packed weights"):
        initial.check(typed(config))
    config.init_from, config.model.width = "fer2013", 16
    with pytest.raises(UsageError, match="another network; give --config.model.width=40"):
        initial.check(typed(config))


def test_byol_starts_from_files_alone():
    config = byol_configs.get_config("tiny")
    config.init_from = "fer2013"
    with pytest.raises(UsageError, match="needed is a file of torchvision's"):
        initial.check(typed(config))
